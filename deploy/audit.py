"""audit.py PIP_AUDIT FOLDER...: checks the packages installed in these folders for vulnerabilities known to PyPI.

pip-audit does the work. This prints what it found, and distinguishes a vulnerable package (exit code 1) from a machine
without access to PyPI (0), for which pip-audit's own exit code is 1 too.
"""

from __future__ import annotations

import json
import subprocess
import sys


def main(auditor: str, *folders: str) -> int:
    """The exit code."""
    paths = [argument for folder in folders for argument in ("--path", folder)]
    command = [auditor, *paths, "--skip-editable", "--progress-spinner", "off", "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except ValueError:
        print(f"Audit skipped: {(done.stderr.strip() or 'no answer').splitlines()[-1]}")
        return 0
    known = [package for package in packages if "vulns" in package]
    if not known:
        reason = packages[0]["skip_reason"] if packages else "nothing is installed"
        print(f"Audit skipped: none of {len(packages)} packages could be looked up ({reason}).")
        return 0
    vulnerable = [package for package in known if package["vulns"]]
    for package in vulnerable:
        for each in package["vulns"]:
            fixed = ", ".join(each["fix_versions"]) or "no version yet"
            print(f"{package['name']} {package['version']}: {each['id']}, mended in {fixed}")
    print(f"{len(known)} of {len(packages)} packages looked up, {len(vulnerable)} vulnerable")
    return 1 if vulnerable else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
