#!/bin/bash
# Bootstrap action of the extraction's clusters: installs on every node what emr_jobs/ imports.
# Usage: bootstrap.sh s3://…/requirements.txt
#
# The file is requirements/emr.txt of the same commit (pinned, with hashes), deployed as requirements.txt
# beside this script. pyspark is EMR's own and not in it.
set -euo pipefail

requirements_uri=${1:?"usage: bootstrap.sh s3://.../requirements.txt (requirements/emr.txt of the release)"}
python=${PYSPARK_PYTHON:-/usr/bin/python3}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

aws s3 cp --only-show-errors "$requirements_uri" "$work/requirements.txt"
sudo "$python" -m pip install --quiet --disable-pip-version-check --require-hashes \
    --requirement "$work/requirements.txt"

# A node without these would fail in the middle of a step; better here, where EMR names the bootstrap action.
"$python" -c 'import boto3, cryptography, isal, jwt, numpy, pydantic, requests, simple_salesforce'
