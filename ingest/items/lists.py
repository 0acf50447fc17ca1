"""The lists in a document: attachments, forms, content update needs, assignments.

Every object in a list is an entry, in its order, whatever its fields hold; what is no object is
none. Only attachments must have a name, and count once.
"""

from ingest.items.document import (
    JsonObject,
    as_integer,
    as_text,
    as_timestamp,
    lookup,
    objects,
)
from ingest.model.item import Assignment, Attachment, ContentUpdateNeed, Form

#: What holds attachments, and their type in the database.
_ATTACHMENT_TYPES = ("asl", "braille", "cc")


def attachments_of(document: JsonObject) -> tuple[Attachment, ...]:
    """Return the attachments; the first of those with the same type and name wins."""
    found: dict[tuple[str, str], Attachment] = {}
    for file_type in _ATTACHMENT_TYPES:
        for entry in objects(lookup(document, f"{file_type}.attachments")):
            name = as_text(entry.get("fileName"))
            if name:
                uploaded_at = as_timestamp(entry.get("uploadedDate"))
                found.setdefault((file_type, name), Attachment(file_type, name, uploaded_at))
    return tuple(found.values())


def forms_of(document: JsonObject) -> tuple[Form, ...]:
    """Return the forms of all administrations."""
    return tuple(
        Form(
            administration_id=as_text(administration.get("administrationId")),
            form_id=as_text(form.get("formId")),
            form_type=as_text(form.get("formType")),
            assessment_type=as_text(form.get("assessmentType")),
            exposures=as_integer(form.get("exposures")),
        )
        for administration in objects(lookup(document, "core.testAdministration.administrations"))
        for form in objects(administration.get("forms"))
    )


def content_update_needs_of(document: JsonObject) -> tuple[ContentUpdateNeed, ...]:
    """Return the content update needs, resolved or not."""
    return tuple(
        ContentUpdateNeed(
            content_update_need_create_date=as_timestamp(need.get("createDate")),
            notes=as_text(need.get("notes")),
            resolution=as_text(need.get("resolution")),
            resolution_date=as_timestamp(need.get("resolutionDate")),
            resolution_notes=as_text(need.get("resolutionNotes")),
            internal_resolution=as_text(need.get("internalResolution")),
            internal_resolution_date=as_timestamp(need.get("internalResolutionDate")),
        )
        for need in objects(lookup(document, "core.contentUpdateNeeds"))
    )


def assignments_of(document: JsonObject) -> tuple[Assignment, ...]:
    """Return who is assigned, by whom."""
    return tuple(
        Assignment(
            assigned_to=as_text(entry.get("assignedTo")),
            assigned_by=as_text(entry.get("assignedBy")),
            assigned_date=as_timestamp(entry.get("assignedDate")),
        )
        for entry in objects(document.get("assignments"))
    )
