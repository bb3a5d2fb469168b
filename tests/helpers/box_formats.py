"""The same boxes as other tools write them: each writer takes a folder, the name of a picture, its
width and height, and boxes ``(name of the class, x, y, width, height)``.
"""

import json
from pathlib import Path


def coco(folder: Path, picture: str, size, boxes, polygons: bool = False) -> Path:
    names = list(dict.fromkeys(name for name, *_ in boxes))
    annotations = []
    for number, (name, x, y, w, h) in enumerate(boxes, start=1):
        around = [x, y, x + w, y, x + w, y + h, x, y + h]
        where = {"segmentation": [around]} if polygons else {"bbox": [float(x), y, w, h]}
        annotations.append(
            {"id": number, "image_id": 7, "category_id": names.index(name), "iscrowd": 0, **where}
        )
    content = {
        "images": [{"id": 7, "file_name": picture, "width": size[0], "height": size[1]}],
        "categories": [{"id": number, "name": name} for number, name in enumerate(names)],
        "annotations": annotations,
    }
    return written(folder / "coco.json", json.dumps(content))


def coco_polygons(folder: Path, picture: str, size, boxes) -> Path:
    return coco(folder, picture, size, boxes, polygons=True)


def labelme(folder: Path, picture: str, size, boxes) -> Path:
    shapes = [
        {"label": name, "shape_type": "rectangle", "points": [[x + w, y], [x, y + h]]}
        for name, x, y, w, h in boxes
    ]
    content = {
        "shapes": shapes,
        "imagePath": f"..\\pictures\\{picture}",
        "imageWidth": size[0],
        "imageHeight": size[1],
        "imageData": None,
    }
    return written(folder / f"{Path(picture).stem}.json", json.dumps(content))


def geojson(folder: Path, picture: str, size, boxes) -> Path:
    features = []
    for name, x, y, w, h in boxes:
        ring = [[x, y], [x + w, y], [x + w, y + h], [x, y + h], [x, y]]
        geometry = {"type": "Polygon", "coordinates": [ring]}
        properties = {"objectType": "annotation", "classification": {"name": name}}
        features.append({"type": "Feature", "geometry": geometry, "properties": properties})
    content = {"type": "FeatureCollection", "features": features}
    return written(folder / f"{Path(picture).stem}.geojson", json.dumps(content))


def voc(folder: Path, picture: str, size, boxes) -> Path:
    objects = "".join(
        f"<object><name>{name}</name><difficult>0</difficult><bndbox><xmin>{x + 1}</xmin>"
        f"<ymin>{y + 1}</ymin><xmax>{x + w}</xmax><ymax>{y + h}</ymax></bndbox></object>"
        for name, x, y, w, h in boxes
    )
    text = (
        f"<annotation><filename>{picture}</filename><size><width>{size[0]}</width>"
        f"<height>{size[1]}</height><depth>3</depth></size>{objects}</annotation>"
    )
    return written(folder / f"{Path(picture).stem}.xml", text)


def yolo(folder: Path, picture: str, size, boxes, polygons: bool = False) -> Path:
    names = list(dict.fromkeys(name for name, *_ in boxes))
    lines = []
    for name, x, y, w, h in boxes:
        values = [x + w / 2, y + h / 2, w, h]
        if polygons:
            values = [x, y, x + w, y, x + w, y + h, x, y + h]
        fractions = (f"{value / size[i % 2]:.6f}" for i, value in enumerate(values))
        lines.append(f"{names.index(name)} {' '.join(fractions)}")
    written(folder / "classes.txt", "\n".join(names))
    return written(folder / f"{Path(picture).stem}.txt", "\n".join(lines))


def yolo_polygons(folder: Path, picture: str, size, boxes) -> Path:
    return yolo(folder, picture, size, boxes, polygons=True)


FORMATS = (coco, coco_polygons, labelme, geojson, voc, yolo, yolo_polygons)


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
