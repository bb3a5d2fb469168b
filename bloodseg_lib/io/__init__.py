"""Pictures of every kind, label maps, tables and JSON: read with errors that name the file and the
mend, written atomically.
"""

from bloodseg_lib.io.atomic import (
    WriteError,
    delete_leftovers,
    read_json,
    replacing,
    write_bytes,
    write_json,
)
from bloodseg_lib.io.formats import (
    FOREIGN_SUFFIXES,
    IMAGE_SUFFIXES,
    folded,
    is_address,
    is_dir,
    is_file,
    kind_of,
    spelled,
)
from bloodseg_lib.io.label_maps import begins_label_map, label_map_bytes, read_label_map
from bloodseg_lib.io.picture import (
    MOST_MEGAPIXELS,
    Picture,
    pages_of,
    read_image,
    read_mask,
    read_picture,
    read_rgba,
)
from bloodseg_lib.io.png import png_bytes, resized
from bloodseg_lib.io.tables import (
    ENCODING,
    csv_rows,
    csv_text,
    decoded,
    missing_columns,
    read_table,
    table_rows,
    write_csv,
)

__all__ = [
    "ENCODING",
    "FOREIGN_SUFFIXES",
    "IMAGE_SUFFIXES",
    "MOST_MEGAPIXELS",
    "Picture",
    "WriteError",
    "begins_label_map",
    "csv_rows",
    "csv_text",
    "decoded",
    "delete_leftovers",
    "folded",
    "is_address",
    "is_dir",
    "is_file",
    "kind_of",
    "label_map_bytes",
    "missing_columns",
    "pages_of",
    "png_bytes",
    "read_image",
    "read_json",
    "read_label_map",
    "read_mask",
    "read_picture",
    "read_rgba",
    "read_table",
    "replacing",
    "resized",
    "spelled",
    "table_rows",
    "write_bytes",
    "write_csv",
    "write_json",
]
