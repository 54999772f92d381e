//! monitor-runtime
