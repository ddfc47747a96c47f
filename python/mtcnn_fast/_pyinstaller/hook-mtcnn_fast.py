"""PyInstaller's hook: the weights, and the modules that are imported by name when they are first used."""

from PyInstaller.utils.hooks import collect_data_files, collect_submodules


def is_needed(name: str) -> bool:
    """Tell whether a module belongs into every application; what trains and compares is found if it is imported."""
    parts = name.split(".")
    return not {"training", "evaluation", "torch", "nets", "cli", "_pyinstaller"} & set(parts[1:])


datas = collect_data_files("mtcnn_fast", includes=["**/*.safetensors", "weights/int8.json"])  # codespell:ignore datas
hiddenimports = [
    "safetensors",
    *collect_submodules("mtcnn_fast", filter=is_needed, on_error="ignore"),
    # Pillow's readers of formats, which it imports by name.
    *collect_submodules("PIL", filter=lambda name: name == "PIL" or name.endswith("ImagePlugin")),
]
