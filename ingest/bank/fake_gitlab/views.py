"""Projects, groups, branches and hooks as the REST API shows them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from ingest.bank.fake_gitlab.projects import Group, Project
from ingest.bank.fake_gitlab.reading import Look

Json = dict[str, Any]

#: When everything was created: nothing depends on it.
_CREATED_AT: Final = "2020-01-01T00:00:00.000Z"


def moment(at: datetime) -> str:
    """Return a moment in UTC, to the millisecond."""
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"


def group(shown: Group, base: str) -> Json:
    """Return a group."""
    return {
        "id": shown.id,
        "web_url": f"{base}/groups/{shown.full_path}",
        "name": shown.path,
        "path": shown.path,
        "description": "",
        "visibility": "private",
        "share_with_group_lock": False,
        "require_two_factor_authentication": False,
        "two_factor_grace_period": 48,
        "project_creation_level": "developer",
        "auto_devops_enabled": None,
        "subgroup_creation_level": "maintainer",
        "emails_disabled": False,
        "emails_enabled": True,
        "mentions_disabled": None,
        "lfs_enabled": True,
        "default_branch": None,
        "avatar_url": None,
        "request_access_enabled": True,
        "full_name": shown.full_path.replace("/", " / "),
        "full_path": shown.full_path,
        "created_at": _CREATED_AT,
        "parent_id": None if shown.parent is None else shown.parent.id,
        "organization_id": 1,
        "shared_runners_setting": "enabled",
        "archived": False,
        "marked_for_deletion_on": None,
    }


def project(shown: Project, look: Look, active_at: datetime, base: str) -> Json:
    """Return a project with all that the service could ask for."""
    address = f"{base}/api/v4/projects/{shown.id}"
    links = {
        "self": address,
        "repo_branches": f"{address}/repository/branches",
        "events": f"{address}/events",
        "members": f"{address}/members",
    }
    return {
        **simple_project(shown, look, active_at, base),
        "container_registry_image_prefix": f"registry.invalid/{shown.full_path}",
        "_links": links,
        "marked_for_deletion_at": shown.marked_for_deletion_on,
        "marked_for_deletion_on": shown.marked_for_deletion_on,
        "packages_enabled": True,
        "empty_repo": look.sha is None,
        "archived": shown.archived,
        "visibility": "private",
        "resolve_outdated_diff_discussions": False,
        "issues_enabled": True,
        "merge_requests_enabled": True,
        "wiki_enabled": True,
        "jobs_enabled": True,
        "snippets_enabled": True,
        "shared_runners_enabled": True,
        "lfs_enabled": True,
        "creator_id": 1,
        "import_status": "none",
        "open_issues_count": 0,
        "updated_at": moment(active_at),
        "ci_default_git_depth": 20,
        "public_jobs": True,
        "shared_with_groups": [],
        "repository_access_level": "enabled",
        "merge_method": "merge",
        "autoclose_referenced_issues": True,
    }


def accessible_project(shown: Project, look: Look, active_at: datetime, base: str) -> Json:
    """Return a project with what its token's owner may do."""
    access = {"access_level": 40, "notification_level": 3}
    return {
        **project(shown, look, active_at, base),
        "permissions": {"project_access": None, "group_access": access},
    }


def simple_project(shown: Project, look: Look, active_at: datetime, base: str) -> Json:
    """Return a project as it is shown with ``simple=true``."""
    host = base.partition("://")[2]
    return {
        "id": shown.id,
        "description": None,
        "name": shown.path,
        "name_with_namespace": shown.full_path.replace("/", " / "),
        "path": shown.path,
        "path_with_namespace": shown.full_path,
        "created_at": _CREATED_AT,
        "default_branch": look.branch if look.exists else None,
        "tag_list": [],
        "topics": [],
        "ssh_url_to_repo": f"git@{host}:{shown.full_path}.git",
        "http_url_to_repo": f"{base}/{shown.full_path}.git",
        "web_url": f"{base}/{shown.full_path}",
        "readme_url": None,
        "forks_count": 0,
        "avatar_url": None,
        "star_count": 0,
        "last_activity_at": moment(active_at),
        "namespace": _namespace(Group(shown.namespace), base),
    }


def _namespace(shown: Group, base: str) -> Json:
    return {
        "id": shown.id,
        "name": shown.path,
        "path": shown.path,
        "kind": "group",
        "full_path": shown.full_path,
        "parent_id": None if shown.parent is None else shown.parent.id,
        "avatar_url": None,
        "web_url": f"{base}/groups/{shown.full_path}",
    }


def commit(shown: Json, of: Project, base: str) -> Json:
    """Return a commit with its address."""
    return {**shown, "web_url": f"{base}/{of.full_path}/-/commit/{shown['id']}"}


def commits(shown: Sequence[Json], of: Project, base: str) -> list[Json]:
    """Return commits with their addresses."""
    return [commit(one, of, base) for one in shown]


def branch(name: str, head: Json, of: Project, base: str, *, is_default: bool) -> Json:
    """Return a branch."""
    return {
        "name": name,
        "commit": commit(head, of, base),
        "merged": False,
        "protected": is_default,
        "developers_can_push": False,
        "developers_can_merge": False,
        "can_push": True,
        "default": is_default,
        "web_url": f"{base}/{of.full_path}/-/tree/{name}",
    }


def pushed_project(shown: Project, look: Look, base: str) -> Json:
    """Return a project as it stands in a push's notification."""
    simple = f"{base}/{shown.full_path}"
    return {
        "id": shown.id,
        "name": shown.path,
        "description": None,
        "web_url": simple,
        "avatar_url": None,
        "git_ssh_url": f"git@{base.partition('://')[2]}:{shown.full_path}.git",
        "git_http_url": f"{simple}.git",
        "namespace": Group(shown.namespace).path,
        "visibility_level": 0,
        "path_with_namespace": shown.full_path,
        "default_branch": look.branch,
        "ci_config_path": None,
        "homepage": simple,
        "url": f"git@{base.partition('://')[2]}:{shown.full_path}.git",
        "ssh_url": f"git@{base.partition('://')[2]}:{shown.full_path}.git",
        "http_url": f"{simple}.git",
    }
