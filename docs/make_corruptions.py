"""Makes docs/corruptions.md: every corruption at every severity, on one photo.

python docs/make_corruptions.py
"""

from pathlib import Path

from robustsuite import catalog
from robustsuite.contact_sheet import contact_sheet, photo

HERE = Path(__file__).parent
PROFILES = {"cifar10-c-bar": ("cifar", 32), "imagenet-c": ("imagenet", 224)}  # (constants, pixels); others as imagenet-c

INTRODUCTION = """# Every corruption at every severity

Made by `python docs/make_corruptions.py`: one row for each corruption, the image as it is, then severity 1 to 5.
`robustsuite show corruption NAME --image FILE` shows one on your own image, at full size.
The photo is `flower.jpg` as scikit-learn ships it (Flickr, vultilion; CC BY 2.0).

"""


def main() -> None:
    """Write the page and one sheet for each benchmark."""
    sets = dict(catalog.benchmarks())
    named = {name for names in sets.values() for name in names}
    sets["others"] = tuple(name for name in catalog.names("corruptions") if name not in named)
    parts = []
    for benchmark, corruptions in sets.items():
        profile, side = PROFILES.get(benchmark, PROFILES["imagenet-c"])
        sheet = contact_sheet(corruptions, photo(None, side), shown=112, profile=profile)
        sheet.save(HERE / "corruptions" / f"{benchmark}.jpg", quality=80)
        rows = "\n".join(f"| `{name}` | {catalog.group(name)} | {catalog.describe('corruptions', name)} |" for name in corruptions)
        title = f"`{benchmark}`" if benchmark != "others" else "In no benchmark of their own"
        parts.append(
            f"## {title}\n\n{side}x{side} pixels, constants `{profile}`.\n\n![{benchmark}](corruptions/{benchmark}.jpg)\n\n"
            f"| corruption | group | what it is |\n|---|---|---|\n{rows}\n"
        )
    (HERE / "corruptions.md").write_text(
        INTRODUCTION + "\n".join(parts),
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
