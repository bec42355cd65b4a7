"""The audit of what is deployed: it fails on a known vulnerability, and on nothing else."""

import json

import pytest

from infra import audit

SOUND = {"name": "urllib3", "version": "2.8.0", "vulns": []}
BAD = {"name": "jinja2", "version": "3.1.0", "vulns": [{"id": "CVE-1"}, {"id": "CVE-2"}]}
UNKNOWN = {"name": "boto3", "skip_reason": "not found"}


def answer(*dependencies):
    return json.dumps({"dependencies": dependencies, "fixes": []})


def audited(capsys, text):
    code = audit.main(ask=lambda _pins: text)
    return code, capsys.readouterr().out


class TestTheAudit:
    @pytest.mark.parametrize("others", [(), (SOUND,), (UNKNOWN,)])
    def test_fails_on_a_vulnerability_and_names_it(self, capsys, others):
        code, said = audited(capsys, answer(BAD, *others))

        assert code == 1
        assert "jinja2 3.1.0: CVE-1, CVE-2" in said

    def test_is_content_with_packages_without_one(self, capsys):
        assert audited(capsys, answer(SOUND)) == (
            0,
            "audit: no known vulnerability in 1 packages\n",
        )

    def test_names_what_the_registry_knows_nothing_of(self, capsys):
        code, said = audited(capsys, answer(SOUND, UNKNOWN))

        assert (code, "nothing is known of boto3" in said) == (0, True)

    @pytest.mark.parametrize("text", ["", answer(), answer(UNKNOWN, UNKNOWN)])
    def test_says_plainly_that_nothing_was_answered(self, capsys, text):
        assert audited(capsys, text) == (
            0,
            "audit: skipped: the registry does not answer vulnerability queries\n",
        )

    def test_that_fails_of_itself_is_no_success(self, capsys):
        def broken(_pins):
            raise audit.AuditFailedError("No module named pip_audit")

        assert audit.main(ask=broken) == 2
        assert "No module named pip_audit" in capsys.readouterr().out

    def test_asks_about_whatever_is_deployed_and_about_nothing_else(self):
        asked = []
        audit.main(ask=lambda pins: asked.append(pins) or answer(SOUND))
        names = {line.partition("==")[0] for line in asked[0].splitlines()}

        assert {"boto3", "botocore", "cffi", "chalice", "pydantic-core", "urllib3"} <= names
        assert not {"pytest", "moto", "inquirer", "pip-audit", "colorama"} & names


class TestTheClosure:
    def test_takes_the_extras_that_are_asked_for(self):
        """A token's key may be an RSA key with the extra of PyJWT alone."""
        assert set(audit.closure(["PyJWT[crypto]"])) - set(audit.closure(["PyJWT"])) == {
            "cryptography",
            "cffi",
            "pycparser",
        }

    def test_reads_pins_and_leaves_options_and_comments_out(self, tmp_path):
        file = tmp_path / "requirements.txt"
        file.write_text("-r other.txt\n# words\n\nboto3==1.0  # why\n")

        assert audit.pins_of(file) == ["boto3==1.0"]
