//! Collections beside a real `redis-server`: for each family random commands, to which both must reply with
//! the same bytes. `walk` explains how a family takes part; its module says what cannot agree.

#[path = "../support/mod.rs"]
mod support;

mod acl;
mod bitmap;
mod dump;
mod hash;
mod hyperloglog;
mod list;
mod listpack;
mod old_formats;
mod set;
mod sort;
mod stream;
mod stream_blocking;
mod stream_nodes;
mod walk;
