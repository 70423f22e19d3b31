"""Write docs/images/page-*.png: `make run`, then `python tests/write_screenshots.py URL`."""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page

sys.path.insert(0, str(Path(__file__).parent))

import browser

IMAGES = Path(__file__).parents[1] / "docs" / "images"
DESKTOP = {"width": 1180, "height": 860}
PHONE = {"width": 375, "height": 812}
COLOURS = 256
WIDE = 900  # pixels, as documents show them
MANY = """\
zipcode,bedrooms,bathrooms,sqft_living,sqft_lot,floors,sqft_above,sqft_basement
98103,3,2.25,1850,4200,1.5,1450,400
98004,4,2.3,2900,9000,2,2900,0
98118,2,1,890,5100,1,890,
9811,3,1.75,1480,4000,1,1000,480
98040,5,4,5200,20000,2,4200,1000
"""


def write(name: str, page: Page, *, place: str = "", whole: bool = False) -> None:
    """Store what a page, or a part of it, looks like, in few colours."""
    clip = None
    if place:  # off the whole page, where nothing sticks to an edge
        page.evaluate("scrollTo(0, 0)")
        clip = page.locator(place).bounding_box()
    shot = page.screenshot(full_page=whole or bool(place), clip=clip)
    image = Image.open(io.BytesIO(shot)).convert("RGB")
    if image.width > WIDE:
        size = (WIDE, round(image.height * WIDE / image.width))
        image = image.resize(size, Image.Resampling.LANCZOS)
    path = IMAGES / f"page-{name}.png"
    image.quantize(COLOURS, kmeans=2).save(path, optimize=True)
    print(f"{path.name}: {path.stat().st_size:,} bytes")


@contextmanager
def opened(chromium: Browser, url: str, **options: object) -> Iterator[browser.Visit]:
    options = {"viewport": DESKTOP, "reduced_motion": "reduce"} | options
    with browser.visit(chromium, url, **options) as found:
        found.open()
        yield found


def valued(found: browser.Visit) -> Page:
    found.value()
    found.page.locator("#w-chart svg").wait_for()
    found.page.wait_for_timeout(800)  # bars and charts have come to rest
    return found.page


def main(url: str) -> None:
    """Visit a running server in all states worth showing."""
    with browser.running() as chromium:
        with opened(chromium, url) as found:
            page = valued(found)
            page.evaluate("scrollTo({ top: 0, behavior: 'instant' })")
            write("valuation", page)
            write("what-if", found.page, place="#what-if")
            write("comparables", found.page, place="section:has(> #comparables)")
            found.open("/accuracy").locator("#figures").wait_for()
            write("accuracy", found.page, whole=True)
        with opened(chromium, url, color_scheme="dark") as found:
            write("dark", valued(found))
        with opened(chromium, url, viewport=PHONE) as found:
            page = valued(found)
            write("phone", page)
        with opened(chromium, url) as found:
            page = found.page
            page.locator("#f-zipcode").fill("9810")
            page.locator("#f-bathrooms").fill("2.3")
            page.get_by_role("button", name="Value this home").click()
            page.wait_for_timeout(800)
            write("errors", page)
            sent = {
                "name": "homes.csv",
                "mimeType": "text/csv",
                "buffer": MANY.encode(),
            }
            page.locator("#file").set_input_files(sent)
            page.locator("#save").wait_for()
            write("file", page, place="#list")
        with opened(chromium, url) as found:
            page = found.page
            page.locator("#f-zipcode").fill("10001")
            page.locator("#f-sqft_above").fill("1000")
            page.locator("#f-condition").select_option("")
            write("doubts", valued(found), place=".price")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
