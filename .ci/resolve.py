"""Whether pip finds wheels of all dependencies for other machines: ``python .ci/resolve.py linux-aarch64 macos-arm64``.

Nothing is installed. pip takes wheels for a foreign platform, but evaluates markers such as ``sys_platform == "linux"``
for the machine it runs on; here it is told the foreign machine's values. Needs a network, and some minutes.
"""

import json
import subprocess
import sys
import tempfile
import tomllib
from itertools import chain
from pathlib import Path

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
PYTHON = "3.11"
PURE_SDISTS = ("fvcore", "iopath")
"""Published as source only, but pure Python: what is built here installs everywhere."""
_LINUX = [f"manylinux_2_{minor}" for minor in range(17, 29)] + ["manylinux2014"]
_MACOS = [f"macosx_{major}_0" for major in range(11, 15)]
TARGETS = {
    "linux-x86_64": ({"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64"}, _LINUX),
    "linux-aarch64": ({"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "aarch64"}, _LINUX),
    "macos-arm64": ({"sys_platform": "darwin", "platform_system": "Darwin", "platform_machine": "arm64"}, _MACOS),
}
_PIP_AS_IF_THERE = """
import sys
from pip._internal.cli.main import main
from pip._vendor.packaging import markers
here = markers.default_environment
markers.default_environment = lambda: here() | {values}
sys.exit(main(sys.argv[1:]))
"""


def build_pure(wheels: Path) -> None:
    """Build wheels of what is published as source only.

    Raises:
        SystemExit: One of them is not pure Python.
    """
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", f"--wheel-dir={wheels}"]
    subprocess.run([*pip, *PURE_SDISTS], check=True)
    if bound := [wheel.name for wheel in wheels.glob("*.whl") if not wheel.stem.endswith("-none-any")]:
        raise SystemExit(f"error: {bound[0]} is bound to this machine: the package is not pure Python")


def resolve(target: str, requirements: list[str], wheels: Path) -> list[str]:
    """Let pip say what it would install.

    Args:
        target: One of :data:`TARGETS`.
        requirements: With their markers.
        wheels: Folder of the wheels that were built here.

    Returns:
        Name and version of each package.

    Raises:
        subprocess.CalledProcessError: pip finds no set of wheels; it has said why.
    """
    values, systems = TARGETS[target]
    values = values | {"python_version": PYTHON, "python_full_version": f"{PYTHON}.0"}
    report = wheels / f"{target}.json"
    options = ["--dry-run", "--ignore-installed", "-qq", f"--report={report}", f"--target={wheels / 'unused'}"]
    options += ["--only-binary=:all:", f"--find-links={wheels}", f"--python-version={PYTHON}", "--implementation=cp"]
    options += [f"--abi={abi}" for abi in (f"cp{PYTHON.replace('.', '')}", "abi3", "none")]
    options += [f"--platform={system}_{values['platform_machine']}" for system in systems]
    program = _PIP_AS_IF_THERE.format(values=values)
    subprocess.run([sys.executable, "-c", program, "install", *options, *requirements], check=True)
    packages = [entry["metadata"] for entry in json.loads(report.read_text())["install"]]
    return sorted(f"{package['name']}=={package['version']}" for package in packages)


def main(targets: list[str]) -> None:
    """Resolve what ``pyproject.toml`` asks for, and its extras, for each of these machines."""
    project = tomllib.loads(PYPROJECT.read_text())["project"]
    extras = chain.from_iterable(project["optional-dependencies"].values())
    own_extras = f"{project['name']}["  # dev contains demo
    requirements = project["dependencies"] + [name for name in extras if not name.startswith(own_extras)]
    with tempfile.TemporaryDirectory() as folder:
        build_pure(Path(folder))
        for target in targets or TARGETS:
            packages = resolve(target, requirements, Path(folder))
            print(f"{target}: {len(packages)} wheels: {' '.join(packages)}")


if __name__ == "__main__":
    main(sys.argv[1:])
