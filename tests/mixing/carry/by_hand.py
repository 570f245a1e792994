"""What a record says of masks, boxes and points, by loops over pixels."""

from math import floor


def source_of(record, which, b, y, x, height, width):
    """The place (x, y) in pixels that a pixel of the mix is read at in the first or second image."""
    grid = getattr(record, f"{which}_grid")
    if grid is None:
        return x + 0.5, y + 0.5
    gx, gy = grid[b, y, x].tolist()
    return (gx + 1) / 2 * width, (gy + 1) / 2 * height


def nearest(values, place):
    """The value at a place; a place between two pixels has that of the even one, as ``F.grid_sample`` reads."""
    x, y = (
        min(max(round(p - 0.5), 0), size - 1) for p, size in zip(place, (values.shape[1], values.shape[0]), strict=True)
    )
    return values[y, x].item()


def bilinear(values, place):
    height, width = values.shape
    x, y = (min(max(p - 0.5, 0), size - 1) for p, size in zip(place, (width, height), strict=True))
    left, top = floor(x), floor(y)
    right, bottom = min(left + 1, width - 1), min(top + 1, height - 1)
    upper = values[top, left].item() * (1 - (x - left)) + values[top, right].item() * (x - left)
    lower = values[bottom, left].item() * (1 - (x - left)) + values[bottom, right].item() * (x - left)
    return upper * (1 - (y - top)) + lower * (y - top)


def first_share(record, b, y, x, height, width):
    rows, columns = record.mask.shape[-2:]
    return float(record.mask[b, 0, y * rows // height, x * columns // width])


def second_share(record, b, y, x, height, width):
    share = 1 - first_share(record, b, y, x, height, width)
    if record.painted is not None:
        share *= 1 - bilinear(record.painted[b, 0], source_of(record, "second", b, y, x, height, width))
    return share


SHARES = {"first": first_share, "second": second_share}


def moved(record, which, b, x, y):
    """Where a place goes to."""
    affine = getattr(record, f"{which}_affine")
    if affine is None:
        return x, y
    (a, c, e), (d, f, g) = affine[b].double().tolist()
    return a * x + c * y + e, d * x + f * y + g


def carried_box(record, which, b, box, height, width, cut):
    """The box in the mix and how much of it is to see."""
    x1, y1, x2, y2 = box
    corners = [moved(record, which, b, x, y) for x in (x1, x2) for y in (y1, y2)]
    x1, y1, x2, y2 = (f(c[i] for c in corners) for f in (min, max) for i in (0, 1))
    seen, shown = 0.0, []
    for y in range(height):
        for x in range(width):
            wide, high = min(x2, x + 1) - max(x1, x), min(y2, y + 1) - max(y1, y)
            if wide > 0 and high > 0:
                share = SHARES[which](record, b, y, x, height, width)
                seen += share * wide * high
                if share > 0 and wide > 1e-4 and high > 1e-4:
                    shown.append((x, y))
    area = (x2 - x1) * (y2 - y1)
    if cut and shown:
        columns, rows = zip(*shown, strict=True)
        x1, x2 = max(x1, min(columns)), min(x2, max(columns) + 1)
        y1, y2 = max(y1, min(rows)), min(y2, max(rows) + 1)
    return (x1, y1, x2, y2), seen / area if area else 0.0
