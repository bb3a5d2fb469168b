import numpy as np

from bloodseg_lib.prediction.tiling import ResampledImage

AS_IT_IS = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)


def test_beyond_its_edge_an_image_is_continued_by_reflection():
    """The last row and column are not repeated: 3 x 3 pixels 0..8 become 5 x 5."""
    image = np.arange(9, dtype=np.uint8).reshape(3, 3, 1).repeat(3, axis=2)
    rows = ResampledImage(image, 1.0, AS_IT_IS).rows(0, 5, 5)
    assert rows[:, :, 1].tolist() == [
        [0, 1, 2, 1, 0],
        [3, 4, 5, 4, 3],
        [6, 7, 8, 7, 6],
        [3, 4, 5, 4, 3],
        [0, 1, 2, 1, 0],
    ]
