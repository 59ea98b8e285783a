"""simple-salesforce's `bulk2.download`, with what it does unless told otherwise. Runs in an environment of its own."""

import json
import os
import sys
import time
from pathlib import Path

import requests
from simple_salesforce import Salesforce


def main() -> None:
    name, soql, folder = sys.argv[1:]
    url = os.environ["ORG_URL"]
    form = {"grant_type": "client_credentials", "client_id": os.environ["CLIENT_ID"]}
    form["client_secret"] = os.environ["CLIENT_SECRET"]
    token = requests.post(f"{url}/services/oauth2/token", data=form, timeout=30).json()["access_token"]
    org = Salesforce(instance_url=url, session_id=token, version="62.0")
    Path(folder).mkdir()
    started = time.monotonic()
    found = getattr(org.bulk2, name).download(soql, path=folder)
    seconds = time.monotonic() - started
    print(json.dumps({"rows": sum(one["number_of_records"] for one in found), "pages_seconds": seconds}))


if __name__ == "__main__":
    main()
