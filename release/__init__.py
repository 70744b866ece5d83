"""Making and checking what users install: wheel and sdist, the two archives for krew, manifest, SBOM. `make dist`.

Runs in an environment of its own (build/env, from requirements-dist.lock). Nothing here is shipped in the package.
"""
