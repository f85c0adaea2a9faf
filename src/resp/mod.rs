//! The RESP2 and RESP3 wire (<https://redis.io/docs/latest/develop/reference/protocol-spec/>). Knows no
//! command.

mod ahead;
mod decode;
mod encode;

pub use ahead::{Ahead, Found};
pub use decode::{Argv, Limits, OwnedArgv, ProtocolError};
pub use encode::Reply;
