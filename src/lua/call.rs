//! What of the table `redis` reaches the host: `call`, `pcall` and `acl_check_cmd`.
//!
//! They are made once a VM, since making functions costs more than most scripts. Who executes their calls changes with
//! every run, and lives no longer: it stands in a thread-local variable while the script runs.

use super::error::{Raised, out_of_memory, raise_reply};
use super::{Host, Shared, freely, reply, shared};
use crate::resp::OwnedArgv;
use mlua::{Error, Lua, MultiValue, Result, Table, Value};
use std::cell::{Cell, RefCell};

#[allow(unsafe_code, reason = "it is the library's, in what its macro writes here")]
mod current {
    use super::Host;

    scoped_tls_hkt::scoped_thread_local!(pub(super) static mut HOST: for<'h> &'h mut (dyn Host + 'h));
}
use current::HOST;

/// Runs `script` with `host` for its calls.
pub(super) fn with<T>(host: &mut dyn Host, script: impl FnOnce() -> T) -> T {
    HOST.set(host, script)
}

/// The host, while a script runs.
fn reach<T>(ask: impl FnOnce(&mut dyn Host) -> T) -> Result<T> {
    if HOST.is_set() { Ok(HOST.with(|host| ask(host))) } else { Err(raise_reply("ERR no script is running")) }
}

/// Adds the functions. `limit`: bytes of a call's arguments; `resp3`: what the running script wants replies in.
pub(super) fn add(lua: &Lua, redis: &Table, limit: usize, resp3: &Shared<Cell<bool>>) -> Result<()> {
    let calls = shared(Calls { limit, resp3: resp3.clone(), reply: RefCell::default() });
    let raising = calls.clone();
    redis.raw_set(
        "call",
        lua.create_function(move |lua, args| {
            raising.lock().call(&args, |reply| match reply.strip_prefix(b"-") {
                Some(error) => Err(Error::external(Raised::Reply {
                    text: error.strip_suffix(b"\r\n").unwrap_or(error).to_vec(),
                    counted: true,
                })),
                None => to_lua(lua, reply),
            })
        })?,
    )?;
    redis.raw_set(
        "pcall",
        lua.create_function(move |lua, args| calls.lock().call(&args, |reply| to_lua(lua, reply)))?,
    )?;
    let may_call = lua.create_function(move |_, args| {
        let argv = command(&args, limit)?;
        let allowed = reach(|host| host.may_call(argv.as_argv()))?;
        allowed.ok_or_else(|| raise_reply("ERR Invalid command passed to redis.acl_check_cmd()"))
    })?;
    redis.raw_set("acl_check_cmd", may_call)
}

struct Calls {
    limit: usize,
    resp3: Shared<Cell<bool>>,
    /// The last reply; its memory is used again.
    reply: RefCell<Vec<u8>>,
}

impl Calls {
    fn call(&self, args: &MultiValue, read: impl FnOnce(&[u8]) -> Result<Value>) -> Result<Value> {
        let argv = command(args, self.limit)?;
        let mut reply = self.reply.borrow_mut();
        reply.clear();
        reach(|host| host.call(argv.as_argv(), self.resp3.lock().get(), &mut reply))?;
        let value = read(&reply);
        if reply.capacity() > REPLY_KEPT {
            *reply = Vec::new();
        }
        value
    }
}

/// Memory of a reply that is kept for the next one.
const REPLY_KEPT: usize = 64 << 10;

fn to_lua(lua: &Lua, bytes: &[u8]) -> Result<Value> {
    freely(lua, bytes.len(), || reply::to_lua(lua, bytes))
}

/// The arguments of `redis.call`.
fn command(args: &MultiValue, limit: usize) -> Result<OwnedArgv> {
    if args.is_empty() {
        return Err(raise_reply("ERR Please specify at least one argument for this redis lib call"));
    }
    let mut argv = OwnedArgv::default();
    let mut room = limit.min(u32::MAX as usize);
    for arg in args.iter() {
        let mut push = |bytes: &[u8]| {
            room = room.checked_sub(bytes.len()).ok_or_else(out_of_memory)?;
            argv.push(bytes);
            Ok::<_, Error>(())
        };
        match arg {
            Value::String(text) => push(&text.as_bytes())?,
            Value::Integer(number) => push(itoa::Buffer::new().format(*number).as_bytes())?,
            Value::Number(number) => push(crate::double::text(*number).as_bytes())?,
            _ => {
                let text = "ERR Lua redis lib command arguments must be strings or integers";
                return Err(raise_reply(text));
            }
        }
    }
    Ok(argv)
}
