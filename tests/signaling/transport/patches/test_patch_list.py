"""The list of patches is complete, and the installed libraries have all that the patches need."""

import ast
from pathlib import Path

import aioice.ice
import aioice.stun
import pytest
from aiortc import RTCPeerConnection
from aiortc.rtcdtlstransport import RTCCertificate

from signaling.transport import patches
from signaling.transport.patches import ice_checks, ice_consent, ice_loopback, patch_list

FOLDER = Path(patches.__file__).parent
SIGNALING = FOLDER.parents[1]
PRIVATE = {need.split(".")[1] for patch in patch_list.PATCHES for need in patch.needs if need.split(".")[1].startswith("_")}


async def test_nothing_that_a_patch_needs_is_missing():
    assert patch_list.missing() == []


async def test_what_is_missing_is_named(monkeypatch):
    monkeypatch.delattr(aioice.ice, "CONSENT_INTERVAL")
    assert patch_list.missing() == ["ice_consent: ice.CONSENT_INTERVAL"]


def test_every_module_is_listed_and_every_patch_is_a_module():
    modules = {path.stem for path in FOLDER.glob("*.py")} - {"__init__", "patch_list"}
    assert modules == {patch.module for patch in patch_list.PATCHES}


@pytest.mark.parametrize("patch", patch_list.PATCHES, ids=lambda patch: patch.module)
def test_every_patch_is_described_for_upstream(patch):
    text = (SIGNALING.parent / "docs" / "upstream.md").read_text("utf-8")
    assert f"\n## {patch.module}: " in text
    assert all((patch.what, patch.reason, patch.symptom, patch.effect, patch.needs))


def test_only_the_patches_use_the_private_names_that_they_need():
    wrong = []
    for path in SIGNALING.rglob("*.py"):
        if FOLDER in path.parents:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            # A class's own attribute may have the same name as one of aiortc's.
            own = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
            if isinstance(node, ast.Attribute) and node.attr in PRIVATE and not own:
                wrong.append(f"{path.name}:{node.lineno} {node.attr}")
    assert wrong == []


async def test_the_patches_of_a_connection_are_applied():
    connection = RTCPeerConnection()
    connection.createDataChannel("x")
    patched = patches.ConnectionPatches(connection, lambda: 0.0)
    assert {"_send_chunk", "_receive_chunk", "_send_sack", "_receive_data_chunk", "_t3_expired"} <= vars(connection.sctp).keys()
    assert patched.acks.works
    patched.end()
    await connection.close()


def test_process_wide_patches_are_applied_once(monkeypatch):
    monkeypatch.setattr(patches, "_applied", False)
    patches.apply()
    patches.apply()
    assert (aioice.ice.CONSENT_INTERVAL, aioice.ice.CONSENT_FAILURES) == (ice_consent.INTERVAL, ice_consent.FAILURES)
    assert aioice.stun.Transaction is ice_checks._Check
    assert aioice.ice.get_host_addresses is ice_loopback.host_addresses
    assert RTCCertificate._create_ssl_context.__module__.endswith("dtls_ciphers")
