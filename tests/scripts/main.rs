//! Scripts and functions, in processes of their own: beside a real `redis-server`, and against runaways.

#[path = "../support/mod.rs"]
mod support;

mod beside_redis;
mod runaway;
