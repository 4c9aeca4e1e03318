# SPDX-License-Identifier: Apache-2.0
"""run.py BUILD_DIR SUITE: runs every test_* of suite_SUITE.py, told in cmocka's form."""
import importlib
import os
import sys
import traceback

import rig


def main():
    rig.setup(os.path.abspath(sys.argv[1]))
    suite = importlib.import_module("suite_" + sys.argv[2])
    tests = [(n, f) for n, f in vars(suite).items() if n.startswith("test_") and callable(f)]
    passed = failed = skipped = 0
    for name, test in tests:
        print(f"[ RUN      ] {name}", flush=True)
        try:
            test()
            passed += 1
            print(f"[       OK ] {name}", flush=True)
        except rig.Skip as why:
            skipped += 1
            print(f"[  SKIPPED ] {name}: {why}", flush=True)
        except BaseException:
            failed += 1
            traceback.print_exc(file=sys.stdout)
            print(f"[  FAILED  ] {name}", flush=True)
        finally:
            rig.end_all()
    print(f"suite http {sys.argv[2]}: {passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 77 if passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
