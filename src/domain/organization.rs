//! The institutions whose data the archive keeps.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One institution (机构). Every record belongs to exactly one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Organization {
    /// Institution code (机构编码, `Org_Code`), as its systems send it.
    pub code: String,
    /// Name shown on pages.
    pub name: String,
}
