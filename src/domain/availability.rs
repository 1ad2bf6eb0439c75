//! Words of Instance Availability Notification (PS3.4 annex R).

/// A study whose instances can be retrieved here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StudyAvailability {
    /// Whose it is.
    pub org_code: String,
    /// (0020,000D).
    pub study_instance_uid: String,
    /// Its instances, series by series.
    pub instances: Vec<InstanceAvailability>,
}

/// One instance of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceAvailability {
    /// (0020,000E).
    pub series_instance_uid: String,
    /// (0008,0016).
    pub sop_class_uid: String,
    /// (0008,0018).
    pub sop_instance_uid: String,
    /// Whether only an upstream archive has its bytes.
    pub is_offline: bool,
}
