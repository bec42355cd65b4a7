"""What AWS is told: the templates, the policies, the configuration."""

import json
from pathlib import Path
from typing import Any

import pytest
from cfnlint.api import ManualArgs, lint_file
from cfnlint.decode import decode
from pynamodb.models import Model

from chalicelib.adapters.bill_athena import BILL_PARTS, FOLDER, ORDER_PARTS
from chalicelib.adapters.dynamodb.tables import TABLES
from chalicelib.adapters.file_layouts import BILL
from chalicelib.adapters.funders import read
from chalicelib.adapters.journal_columns import COLUMNS
from chalicelib.domain.loan import Mode
from chalicelib.settings import Settings
from infra.local import office
from infra.local.deployment import PARAMETERS_FROM_ENVIRON
from infra.local.packaging import package

ROOT = Path(__file__).parents[1]
CHALICE = ROOT / ".chalice"
DATA = decode(str(ROOT / "infra/data.yaml"))[0]
APP = decode(str(ROOT / "infra/app.yaml"))[0]
CONFIG = json.loads((CHALICE / "config.json").read_text())
POLICIES = {path.stem.removeprefix("policy-"): path for path in CHALICE.glob("policy-*.json")}
REGIONS = ["cn-north-1", "us-east-1"]
STAGES = ("local", "test", "prod")
CALLS_PER_SECOND_MAX = 150  # of the payment platform, docs/interfaces.md
CONFIG_KEYS = {
    *("version", "app_name", "autogen_policy", "api_gateway_stage", "api_gateway_endpoint_type"),
    "minimum_compression_size",
    *("log_retention_in_days", "lambda_functions", "stages", "environment_variables"),
    *("lambda_timeout", "lambda_memory_size", "iam_policy_file", "reserved_concurrency", "layers"),
}

pytestmark = pytest.mark.xdist_group("templates")


def of_type(template: Any, kind: str) -> dict[str, Any]:
    return {
        name: resource
        for name, resource in template["Resources"].items()
        if isinstance(resource, dict) and resource.get("Type") == kind
    }


def sub(value: Any) -> str:
    """Read a string that may stand in an Fn::Sub."""
    return value["Fn::Sub"] if isinstance(value, dict) else value


def named(kind: str, key: str) -> dict[str, Any]:
    """Give the data stack's resources of a kind by name, without the stage."""
    return {
        sub(resource["Properties"][key]).removeprefix("afterloan-${Stage}-"): resource
        for resource in of_type(DATA, kind).values()
    }


TABLE = named("AWS::DynamoDB::Table", "TableName")
QUEUE = named("AWS::SQS::Queue", "QueueName")
WORK_QUEUES = sorted(name for name in QUEUE if not name.endswith("-dlq"))


def evaluate(condition: Any, parameters: dict[str, str]) -> bool:
    """Decide a condition of the data stack."""
    ((function, given),) = condition.items()
    match function:
        case "Fn::Equals":
            left, right = (
                parameters[one["Ref"]] if isinstance(one, dict) else one for one in given
            )
            return left == right
        case "Fn::Or":
            return any(evaluate(one, parameters) for one in given)
        case "Fn::Not":
            return not evaluate(given[0], parameters)
        case _:
            return evaluate(DATA["Conditions"][given], parameters)


@pytest.fixture(scope="session")
def packaged(tmp_path_factory) -> dict[str, Any]:
    """Package the application as for production, but for its requirements."""
    build = tmp_path_factory.mktemp("package")
    return dict(package(root=ROOT, build=build, stage="prod", requirements="").template)


@pytest.fixture(scope="session")
def functions(packaged) -> dict[str, Any]:
    """Give the packaged Lambdas by name, without the stage."""
    return {
        sub(one["Properties"]["FunctionName"]).removeprefix("afterloan-${Stage}-"): one
        for one in of_type(packaged, "AWS::Serverless::Function").values()
    }


class TestWhatMustSurvive:
    @pytest.mark.parametrize(
        "name",
        [
            name
            for name, one in DATA["Resources"].items()
            if one["Type"].partition("::")[2].partition("::")[0]
            in {"DynamoDB", "S3", "SQS", "SNS", "KMS", "SecretsManager"}
            and name != "AlarmsByMail"
        ],
    )
    def test_is_retained(self, name):
        resource = DATA["Resources"][name]

        assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain", "Retain")

    @pytest.mark.parametrize("name", sorted(TABLE))
    def test_a_table_can_be_restored_and_not_deleted(self, name):
        properties = TABLE[name]["Properties"]

        assert properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
        assert properties["DeletionProtectionEnabled"] == {"Fn::If": ["Protected", True, False]}
        assert properties["BillingMode"] == "PAY_PER_REQUEST"

    @pytest.mark.parametrize(
        ("stage", "protection", "is_protected"),
        [
            ("prod", "off", True),
            ("prod", "on", True),
            ("test", "on", True),
            ("test", "off", False),
            ("local", "off", False),
        ],
    )
    def test_protection_falls_only_outside_production(self, stage, protection, is_protected):
        parameters = {"Stage": stage, "Protection": protection}

        assert evaluate(DATA["Conditions"]["Protected"], parameters) is is_protected

    def test_protection_is_the_default(self):
        assert DATA["Parameters"]["Protection"]["Default"] == "on"

    def test_personal_data_is_under_our_own_key(self):
        encryption = TABLE["borrowers"]["Properties"]["SSESpecification"]

        assert encryption["SSEType"] == "KMS"
        assert encryption["KMSMasterKeyId"] == {"Fn::GetAtt": ["Key", "Arn"]}

    def test_no_secret_has_a_value(self):
        for secret in of_type(DATA, "AWS::SecretsManager::Secret").values():
            assert "SecretString" not in secret["Properties"]
            assert secret["Properties"]["GenerateSecretString"]["SecretStringTemplate"] == "{}"

    def test_each_funder_that_deducts_has_one_for_our_key(self):
        secrets = {
            sub(one["Properties"]["Name"])
            for one in of_type(DATA, "AWS::SecretsManager::Secret").values()
        }
        deducting = {
            f"afterloan/${{Stage}}/funder-{no}" for no, one in read().items() if one.deducts
        }

        assert deducting == {name for name in secrets if "/funder-" in name}


class TestTables:
    @pytest.mark.parametrize("row", TABLES, ids=lambda row: row.__name__)
    def test_have_the_keys_and_indexes_the_code_uses(self, row: type[Model]):
        schema = row._get_schema()
        properties = TABLE[str(row.Meta.table_name).rpartition("-")[2]]["Properties"]
        types = {
            one["AttributeName"]: one["AttributeType"] for one in properties["AttributeDefinitions"]
        }

        assert keys_of(properties["KeySchema"]) == keys_of(schema["key_schema"])
        assert types == {
            one["AttributeName"]: one["AttributeType"] for one in schema["attribute_definitions"]
        }
        assert indexes_of(properties.get("GlobalSecondaryIndexes", ())) == indexes_of(
            schema["global_secondary_indexes"]
        )
        assert properties.get("StreamSpecification", {}).get("StreamViewType") == getattr(
            row.Meta, "stream_view_type", None
        )

    def test_none_is_missing_and_none_is_left_over(self):
        assert sorted(TABLE) == sorted(
            str(row.Meta.table_name).rpartition("-")[2] for row in TABLES
        )


def keys_of(schema: Any) -> list[tuple[str, str]]:
    return sorted((one["KeyType"], one["AttributeName"]) for one in schema)


def indexes_of(indexes: Any) -> dict[str, Any]:
    """Read indexes as CloudFormation names their parts, or as PynamoDB does."""
    found = {}
    for index in indexes:
        name, keys, projection = (
            index[camel if camel in index else snake]
            for camel, snake in (
                ("IndexName", "index_name"),
                ("KeySchema", "key_schema"),
                ("Projection", "projection"),
            )
        )
        attributes = sorted(projection.get("NonKeyAttributes", ()))
        found[name] = (keys_of(keys), projection["ProjectionType"], attributes)
    return found


class TestBuckets:
    @pytest.mark.parametrize("name", ["ExchangeBucket", "ArtifactsBucket"])
    def test_are_private_versioned_and_encrypted(self, name):
        properties = DATA["Resources"][name]["Properties"]

        assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
        assert properties["VersioningConfiguration"]["Status"] == "Enabled"
        assert properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]

    @pytest.mark.parametrize("name", ["ExchangeBucket", "ArtifactsBucket"])
    def test_refuse_plain_http_everywhere_but_on_the_local_cloud(self, name):
        policy = DATA["Resources"][f"{name}Policy"]
        (statement,) = policy["Properties"]["PolicyDocument"]["Statement"]

        assert statement["Effect"] == "Deny"
        assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        assert policy["Condition"] == "OnAws"
        assert evaluate(DATA["Conditions"]["OnAws"], {"Stage": "test"})

    def test_exchanged_files_are_under_our_own_key(self):
        (rule,) = DATA["Resources"]["ExchangeBucket"]["Properties"]["BucketEncryption"][
            "ServerSideEncryptionConfiguration"
        ]

        assert rule["ServerSideEncryptionByDefault"]["KMSMasterKeyID"] == {
            "Fn::GetAtt": ["Key", "Arn"]
        }


class TestQueues:
    @pytest.mark.parametrize("name", WORK_QUEUES)
    def test_give_up_after_five_receives_into_dead_letters_of_their_own(self, name):
        redrive = QUEUE[name]["Properties"]["RedrivePolicy"]
        dead_letters = redrive["deadLetterTargetArn"]["Fn::GetAtt"][0]

        assert redrive["maxReceiveCount"] == 5
        assert DATA["Resources"][dead_letters] == QUEUE[f"{name}-dlq"]

    @pytest.mark.parametrize("name", sorted(QUEUE))
    def test_keep_their_messages_for_two_weeks_encrypted(self, name):
        properties = QUEUE[name]["Properties"]

        assert properties["MessageRetentionPeriod"] == 14 * 24 * 3600
        assert properties["SqsManagedSseEnabled"] is True

    def test_hide_a_message_for_six_times_its_function_s_time_out(self, functions):
        seconds = {
            queue: function["Properties"]["Timeout"]
            for function in functions.values()
            for queue in queues_read(function)
        }

        assert sorted(seconds) == WORK_QUEUES
        for queue, timeout in seconds.items():
            assert QUEUE[queue]["Properties"]["VisibilityTimeout"] >= 6 * timeout, queue


def events_of(function: Any) -> list[Any]:
    return list(function["Properties"].get("Events", {}).values())


def queues_read(function: Any) -> list[str]:
    return [
        sub(event["Properties"]["Queue"]).rpartition("afterloan-prod-")[2]
        for event in events_of(function)
        if event["Type"] == "SQS"
    ]


class TestReconciling:
    """Where bills are reconciled DuckDB is a layer; where Athena does it, tables lie over the files."""

    @pytest.mark.parametrize("name", ["file_landed", "close_day"])
    def test_has_the_engine_the_disk_and_the_time(self, functions, name):
        properties = functions[name]["Properties"]
        merged = {"file_landed": "FileLanded", "close_day": "CloseDay"}[name]

        assert APP["Resources"][merged]["Properties"]["Layers"] == [{"Ref": "FilesLayer"}]
        assert properties["EphemeralStorage"]["Size"] >= 8192
        assert properties["MemorySize"] >= 1769
        assert properties["Timeout"] >= 840

    def test_has_tables_of_the_columns_that_are_written(self):
        tables = {
            one["Properties"]["TableInput"]["Name"]: [
                (column["Name"], column["Type"])
                for column in one["Properties"]["TableInput"]["StorageDescriptor"]["Columns"]
            ]
            for one in of_type(DATA, "AWS::Glue::Table").values()
        }
        types = {"VARCHAR": "string", "BIGINT": "bigint"}

        assert tables == {
            BILL_PARTS: [
                (name, "bigint" if name.endswith("_fen") else "string") for name in BILL.names
            ],
            ORDER_PARTS: [(name, types[kind]) for name, kind in COLUMNS.items()],
        }

    def test_gives_each_table_one_run_s_files_and_no_other(self):
        for one in of_type(DATA, "AWS::Glue::Table").values():
            told = one["Properties"]["TableInput"]
            template = json.dumps(told["Parameters"]["storage.location.template"])
            assert f"/{FOLDER}/{told['Name']}/run=${{Run}}/" in template
            assert told["PartitionKeys"] == [{"Name": "run", "Type": "string"}]


class TestPolicies:
    def test_there_is_one_for_each_lambda_and_no_other(self, functions):
        files = {
            name: CONFIG["lambda_functions"][name]["iam_policy_file"].removesuffix(".json")
            for name in functions
        }

        assert files == {name: f"policy-{name}" for name in functions}
        assert set(POLICIES) == set(functions)

    @pytest.mark.parametrize("name", sorted(POLICIES))
    def test_name_actions_and_resources_of_one_stage(self, name):
        for statement in statements(name):
            assert statement["Effect"] == "Allow"
            assert not [action for action in statement["Action"] if "*" in action]
            for resource in map(sub, statement["Resource"]):
                if resource.endswith(":key/*"):  # a key is known by its alias alone
                    assert "alias/afterloan-${Stage}" in json.dumps(statement["Condition"])
                elif resource.endswith(
                    ":catalog"
                ):  # an account has one, and its tables stand in it
                    assert statement["Action"] == ["glue:GetDatabase", "glue:GetTable"]
                else:
                    assert "${Stage}" in resource, resource

    @pytest.mark.parametrize("name", sorted(POLICIES))
    def test_name_only_what_the_data_stack_has(self, name):
        known = {
            *(f"table/{table}" for table in TABLE),
            *(
                f"table/{table}/index/{index['IndexName']}"
                for table, one in TABLE.items()
                for index in one["Properties"].get("GlobalSecondaryIndexes", ())
            ),
            "table/journal/stream/*",
            *QUEUE,
            *(named("AWS::SNS::Topic", "TopicName")),
        }

        for resource in (sub(one) for s in statements(name) for one in s["Resource"]):
            service, rest = resource.split(":")[2], resource.split(":", 5)[5]
            if service in {"dynamodb", "sqs", "sns"}:
                assert rest.replace("afterloan-${Stage}-", "") in known, resource

    def test_let_a_lambda_read_the_queue_it_listens_to_and_no_other(self, functions):
        for name, function in functions.items():
            readable = [
                resource.rpartition("afterloan-${Stage}-")[2]
                for statement in statements(name)
                if "sqs:ReceiveMessage" in statement["Action"]
                for resource in map(sub, statement["Resource"])
            ]

            assert readable == queues_read(function), name

    @pytest.mark.parametrize("name", sorted(POLICIES))
    def test_let_a_lambda_write_its_own_log(self, name):
        (resource,) = next(s for s in statements(name) if s["Sid"] == "Log")["Resource"]

        assert sub(resource).endswith(f":log-group:/aws/lambda/afterloan-${{Stage}}-{name}:*")


def statements(name: str) -> list[Any]:
    found: list[Any] = json.loads(POLICIES[name].read_text())["Statement"]
    return found


class TestConfiguration:
    def test_has_no_key_that_chalice_would_silently_ignore(self):
        scopes = [CONFIG, *CONFIG["stages"].values()]
        scopes += [one for scope in scopes for one in scope.get("lambda_functions", {}).values()]

        assert {key for scope in scopes for key in scope} <= CONFIG_KEYS

    def test_names_only_lambdas_that_exist(self, functions):
        scopes = [CONFIG, *CONFIG["stages"].values()]

        assert {name for one in scopes for name in one.get("lambda_functions", {})} <= set(
            functions
        )

    def test_serves_all_modes_where_nobody_is_charged_and_in_production_what_is_said(self):
        serves = {
            stage: set(one["Modes"].split(",")) for stage, one in APP["Mappings"]["Serves"].items()
        }

        assert serves == {"local": set(Mode), "test": set(Mode), "prod": {Mode.SELF_OPERATED}}
        assert {stage: set(modes.split(",")) for stage, modes in office.SERVES.items()} == {
            stage: serves[stage] for stage in office.SERVES
        }

    def test_gives_each_stage_its_name_and_production_no_test_clock(self):
        assert tuple(CONFIG["stages"]) == STAGES
        for stage in STAGES:
            variables = CONFIG["stages"][stage]["environment_variables"]
            assert variables["STAGE"] == stage
            assert ("TEST_CLOCK" in variables) is (stage != "prod")

    def test_gives_names_that_aws_takes(self, functions):
        for name in functions:
            assert len(f"afterloan-{max(STAGES, key=len)}-{name}") <= 64

    def test_has_no_policy_written_by_chalice(self):
        assert CONFIG["autogen_policy"] is False


class TestTheMergedTemplate:
    def test_names_only_what_chalice_writes(self, packaged):
        """A misspelt name would be added beside the right one, without a type."""
        for name, resource in packaged["Resources"].items():
            if not name.startswith("Fn::ForEach"):
                assert "Type" in resource, name
                assert all("Type" in event for event in events_of(resource)), name

    def test_makes_each_log_before_its_lambda(self, packaged, functions):
        for name, function in functions.items():
            log = packaged["Resources"][function["DependsOn"]]["Properties"]

            assert sub(log["LogGroupName"]) == f"/aws/lambda/afterloan-${{Stage}}-{name}"
            assert log["RetentionInDays"] == CONFIG["log_retention_in_days"]

    def test_lets_a_message_of_a_batch_fail_alone(self, functions):
        for name, function in functions.items():
            for event in events_of(function):
                # Every handler of messages returns its failures: unread, they would be successes.
                if event["Type"] in {"SQS", "DynamoDB"}:
                    types = event["Properties"]["FunctionResponseTypes"]
                    assert types == ["ReportBatchItemFailures"], name

    def test_reads_the_real_stream_from_its_beginning(self, functions):
        (event,) = events_of(functions["announce"])

        assert event["Properties"]["Stream"] == {
            "Fn::ImportValue": {"Fn::Sub": "afterloan-${Stage}-data-journal-stream"}
        }
        assert event["Properties"]["StartingPosition"] == "TRIM_HORIZON"
        assert event["Properties"]["BisectBatchOnFunctionError"] is True
        assert "announce-dlq" in json.dumps(event["Properties"]["DestinationConfig"])

    def test_stops_the_timetable_where_a_parameter_says_so_and_loses_no_call(self, functions):
        timetable = [
            (function["Properties"], event["Properties"])
            for function in functions.values()
            for event in events_of(function)
            if event["Type"] == "Schedule"
        ]

        assert len(timetable) == 7
        for function, event in timetable:
            assert event["State"] == {"Ref": "Timetable"}
            assert "timetable-dlq" in json.dumps(event["DeadLetterConfig"])
            assert "timetable-dlq" in json.dumps(function["EventInvokeConfig"])

    def test_stays_under_the_platform_s_rate(self):
        at_once = APP["Mappings"]["AtOnce"]["prod"]
        parts = CONFIG["stages"]["prod"]["lambda_functions"]
        workers = {
            "deduct": at_once["Deduct"],
            "send_repayment": at_once["SendRepayment"],
            "ask": at_once["Ask"],
            "take_payment_notification": at_once["TakePaymentNotification"],
            "file_landed": at_once["FileLanded"],
            "close_day": 1,
            "sweep": 1,
        }

        def rate(name):
            given = parts.get(name, {}).get("environment_variables", {})
            usual = Settings.from_environ().payment_calls_per_second
            return float(given.get("PAYMENT_CALLS_PER_SECOND", usual))

        total = sum(count * rate(name) for name, count in workers.items())
        assert total <= CALLS_PER_SECOND_MAX
        readers = {
            name for name, path in POLICIES.items() if "payment-platform" in path.read_text()
        }
        assert sorted(workers) == sorted(readers)

    def test_reserves_no_less_than_a_queue_may_use(self):
        reserved = CONFIG["stages"]["prod"]["lambda_functions"]

        assert (
            reserved["deduct"]["reserved_concurrency"]
            >= APP["Mappings"]["AtOnce"]["prod"]["Deduct"]
        )

    def test_imports_only_what_the_data_stack_exports(self, packaged):
        exported = {
            sub(one["Export"]["Name"]).replace("${AWS::StackName}", "afterloan-${Stage}-data")
            for one in DATA["Outputs"].values()
            if "Export" in one
        }

        assert set(imports(packaged)) <= exported

    def test_lets_api_gateway_answer_as_we_do(self, packaged):
        for kind, response in packaged["Resources"]["RestAPI"]["Properties"][
            "GatewayResponses"
        ].items():
            ((content_type, text),) = response["ResponseTemplates"].items()
            body = json.loads(text)
            assert set(body) == {"type", "status", "code", "detail"}, kind
            assert body["status"] == response["StatusCode"], kind
            assert content_type == "application/json", "another one API Gateway does not choose"
            headers = response["ResponseParameters"]["Headers"]
            assert headers["Content-Type"] == "'application/problem+json'", kind

    def test_every_parameter_of_a_deployment_is_one_of_a_template(self):
        assert set(PARAMETERS_FROM_ENVIRON) <= {*DATA["Parameters"], *APP["Parameters"]}


def imports(node: Any) -> list[str]:
    if isinstance(node, dict):
        here = [sub(node["Fn::ImportValue"])] if "Fn::ImportValue" in node else []
        return here + [name for value in node.values() for name in imports(value)]
    return [name for value in node for name in imports(value)] if isinstance(node, list) else []


class TestAlarms:
    def loop(self, name: str) -> tuple[list[str], dict[str, Any]]:
        _, members, resources = APP["Resources"][f"Fn::ForEach::{name}"]
        return members, resources

    def test_watch_every_lambda(self, functions):
        """A refusal of the authorizer is an exception: its errors say nothing, a metric does."""
        watched = [*self.loop("Functions")[0], "borrower"]

        assert sorted(watched) == sorted(functions)
        assert "ThrottlesOfBorrower" in APP["Resources"]
        assert "TokensUnverifiable" in self.loop("Findings")[0]

    def test_watch_every_queue_and_its_dead_letters(self):
        assert sorted(self.loop("Queues")[0]) == WORK_QUEUES
        assert sorted(f"{name}-dlq" for name in self.loop("DeadLetters")[0]) == sorted(
            set(QUEUE) - set(WORK_QUEUES)
        )

    def test_watch_only_metrics_that_the_code_sends(self):
        sources = "\n".join(path.read_text() for path in ROOT.glob("chalicelib/**/*.py"))
        watched = {*self.loop("Findings")[0], "UnknownOrders"}

        assert {name for name in watched if f'"{name}"' not in sources} == set()

    def test_all_go_to_the_alarms_topic(self, packaged):
        alarms = list(of_type(packaged, "AWS::CloudWatch::Alarm").values())
        for name in ("Functions", "Queues", "DeadLetters", "Findings"):
            alarms += self.loop(name)[1].values()

        for alarm in alarms:
            assert imports(alarm["Properties"]["AlarmActions"]) == [
                "afterloan-${Stage}-data-alarms"
            ]


class TestCfnLint:
    def test_finds_nothing_in_the_data_stack(self):
        assert lint(ROOT / "infra/data.yaml") == []

    def test_finds_nothing_in_the_packaged_application(self, packaged, tmp_path):
        template = tmp_path / "app.json"
        template.write_text(json.dumps(packaged))

        assert lint(template) == []

    def test_finds_nothing_in_the_merged_part_but_that_it_is_a_part(self):
        """Without Chalice's half a resource has no type and a name leads nowhere."""
        parts = ["E3001", "E3005", "E6101"]

        assert lint(ROOT / "infra/app.yaml", ignore_checks=parts) == []


def lint(template: Path, **options: Any) -> list[str]:
    found = lint_file(template, ManualArgs(regions=REGIONS, **options))
    return [f"{one.rule.id} {one.message} {one.path}" for one in found]
