"""Static files in production: compressed, under names that change with their content."""

from __future__ import annotations

from servestatic.storage import CompressedManifestStaticFilesStorage


class HashedStaticFilesStorage(CompressedManifestStaticFilesStorage):
    """Also rewrites the imports of ES modules, so that a deploy never mixes old and new ones."""

    support_js_module_import_aggregation = True
