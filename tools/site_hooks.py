"""What MkDocs does besides turning pages into HTML: the API's pages, the gallery, and links out of docs/."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # MkDocs loads this file by its path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from tools.api_pages import TITLES, page_of, public_names

_OUTSIDE = re.compile(r"\[([^\]]*)\]\(\.\./((?!README)[^)#]+)\)")
_BESIDE = re.compile(r"\]\((?!\w+:|#|docs/)")
_FROM_THE_ROOT = {"index.md": "README.md", "contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md"}
_ROLE = re.compile(r":(?:class|func|meth|mod|attr|data):<code>(~?)([\w.]+)</code>")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """In the navigation, the API reference; and among the guides, pages that nobody has placed."""
    assert config.nav is not None
    placed = {page for part in config.nav for pages in part.values() for page in map(_file_of, pages)}
    guides = next(part["Guides"] for part in config.nav if "Guides" in part)
    guides += [{_title(path): path.name} for path in sorted((ROOT / "docs").glob("*.md")) if path.name not in placed]
    pages = [{TITLES.get(room, room): f"api/{room}.md"} for room in public_names()]
    config.nav.append({"API": [{"Public names": "api/index.md"}, *pages]})
    return config


def _file_of(entry: str | dict[str, str]) -> str:
    return entry if isinstance(entry, str) else next(iter(entry.values()))


def _title(path: Path) -> str:
    return path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Pages that are made: the API's, those of files in the root (the README is the front page), and the gallery's."""
    names = public_names()
    rows = [f"| [{name}][{name}] | {room} |" for room, of in names.items() for name in of]
    index = "# Public names\n\n| name | in |\n| --- | --- |\n" + "\n".join(rows) + "\n"
    made = {"api/index.md": index}
    made |= {f"api/{room}.md": page_of(room, of) for room, of in names.items()}
    made |= {page: _as_in_docs(ROOT / source) for page, source in _FROM_THE_ROOT.items()}
    for path, text in made.items():
        files.append(File.generated(config, path, content=text))
    for path in _linked_files():
        files.append(File.generated(config, f"source/{path}", abs_src_path=str(ROOT / path)))
    files.append(File.generated(config, "gallery/preview.html", content=_made_up_preview()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 - MkDocs's form
    """Links to files outside docs/ lead to copies of them."""
    if "/" in page.file.src_uri:  # there ".." is docs/ itself
        return markdown
    return _OUTSIDE.sub(_to_copy, markdown).replace("](../README.md)", "](index.md)")


def _to_copy(link: re.Match[str]) -> str:
    text, path = link.groups()
    return f"[{text}](source/{path})" if _is_copied(path) else text


def _is_copied(path: str) -> bool:
    """Whether a path from the root is a file that is shown as it is; Markdown would become one more page."""
    return (ROOT / path).is_file() and not path.endswith(".md")


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 - MkDocs's form
    """What docstrings say in Sphinx's words, in Markdown's."""
    return _ROLE.sub(_as_link, html).replace("::</p>", ":</p>")


def _as_link(role: re.Match[str]) -> str:
    short, name = role.groups()
    shown = name.split(".")[-1] if short else name
    full = name if name.startswith("longtail_mix.") else f"longtail_mix.{name}"
    return f'<autoref optional identifier="{full}"><code>{shown}</code></autoref>'


def _as_in_docs(path: Path) -> str:
    """A page of the root with its links as they would be in docs/."""
    return _BESIDE.sub("](../", path.read_text(encoding="utf-8")).replace("](docs/", "](")


def _linked_files() -> list[str]:
    """The files outside docs/ that its pages link to."""
    pages = [path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md")]
    pages += [_as_in_docs(ROOT / source) for source in _FROM_THE_ROOT.values()]
    return sorted({path for text in pages for _, path in _OUTSIDE.findall(text) if _is_copied(path)})


def _made_up_preview() -> str:
    """The preview page of made-up images: every mix and every detector on the same pairs."""
    from PIL import Image

    from longtail_mix.data import LESION_TYPES, read_folder, synthetic_dermoscopy
    from longtail_mix.preview import write_preview

    data = synthetic_dermoscopy([24, 12, 6, 4], size=112, seed=3)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for i, (image, label) in enumerate(zip(data.images, data.labels.tolist(), strict=True)):
            of = folder / "images" / LESION_TYPES[label]
            of.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image.permute(1, 2, 0).numpy()).save(of / f"{i:02}.png")
        write_preview(read_folder(folder / "images"), folder / "page.html", size=112, pairs=3, progress=False)
        return (folder / "page.html").read_text(encoding="utf-8")


def on_post_build(config: MkDocsConfig, **_: Any) -> None:
    """Links and anchors of what was built, and how many pages there are."""
    from tools.check_links import check_site

    broken = check_site(Path(config.site_dir))
    if broken:
        raise SystemExit("\n".join(broken))
