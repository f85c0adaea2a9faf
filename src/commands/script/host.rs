//! How a script's calls become commands: Redis' checks in its order, then dispatch.

use super::shared::Scripts;
use crate::acl::Origin;
use crate::commands::table::{Command, Flag};
use crate::commands::{CommandError, Ctx, Done, dispatch, permission};
use crate::lua::{Flags, Host};
use crate::resp::Argv;
use std::sync::atomic::Ordering;

/// One run of a script, seen from its calls.
pub(super) struct ScriptHost<'h, 'c> {
    ctx: &'h mut Ctx<'c>,
    /// Called by a `_RO` command, or it says so itself.
    read_only: bool,
    allows_oom: bool,
    /// Memory was short when it began.
    was_oom: bool,
    has_written: bool,
    /// What is to be as it was.
    db: u32,
    resp3: bool,
    was_executing: bool,
}

impl<'h, 'c> ScriptHost<'h, 'c> {
    pub fn new(ctx: &'h mut Ctx<'c>, read_only: bool, flags: Flags) -> ScriptHost<'h, 'c> {
        let (db, resp3) = (ctx.state.db, ctx.reply.is_resp3());
        let was_executing = std::mem::replace(&mut ctx.state.executing, true);
        ctx.state.scripted = true;
        let was_oom = ctx.daemon.store.is_out_of_memory();
        let allows_oom = flags.has(Flags::ALLOW_OOM);
        ScriptHost { ctx, read_only, allows_oom, was_oom, has_written: false, db, resp3, was_executing }
    }

    fn scripts(&self) -> &'c Scripts {
        &self.ctx.daemon.scripts
    }

    fn check(&mut self, command: &Command, argv: Argv<'_>) -> Result<(), CommandError> {
        if command.spec.has(Flag::NoScript) {
            return Err(CommandError::other("ERR This Redis command is not allowed from script"));
        }
        permission::check(self.ctx, command, argv, Origin::Lua).map_err(|denied| {
            let text = self.ctx.state.login.user().denial(denied.reason, command.full_name, None);
            CommandError::Quoting([b"NOPERM ACL failure in script: ", &*text].concat())
        })?;
        if command.is_write && self.read_only {
            return Err(CommandError::other("ERR Write commands are not allowed from read-only scripts."));
        }
        if command.denies_oom && self.was_oom && !self.allows_oom && !self.has_written {
            return Err(CommandError::OutOfMemory);
        }
        if command.is_write {
            self.has_written = true;
            self.scripts().writes();
        } else if command.spec.has(Flag::PubSub) {
            self.scripts().publishes();
        }
        Ok(())
    }

    fn execute(&mut self, argv: Argv<'_>) -> Result<(), CommandError> {
        let command = dispatch::resolve(argv).map_err(|error| match error {
            CommandError::Arity(_) => {
                CommandError::other("ERR Wrong number of args calling Redis command from script")
            }
            _ => CommandError::other("ERR Unknown Redis command called from script"),
        })?;
        self.check(command, argv).inspect_err(|_| self.ctx.counters.commands.reject(command.number))?;
        dispatch::call(self.ctx, command, argv).map(|outcome| debug_assert!(outcome == Done))
    }
}

impl Host for ScriptHost<'_, '_> {
    fn call(&mut self, argv: Argv<'_>, resp3: bool, reply: &mut Vec<u8>) {
        let mark = self.ctx.reply.out().mark();
        self.ctx.reply.set_resp3(resp3);
        if let Err(error) = self.execute(argv) {
            self.ctx.reply.out().cut_to(mark);
            dispatch::fail(self.ctx, &error);
        }
        self.ctx.reply.out().take_since(mark, reply);
    }

    fn may_call(&mut self, argv: Argv<'_>) -> Option<bool> {
        let command = dispatch::resolve(argv).ok()?;
        Some(self.ctx.state.login.user().may_run(command, argv).is_ok())
    }
}

impl Drop for ScriptHost<'_, '_> {
    fn drop(&mut self) {
        let ctx = &mut *self.ctx;
        ctx.reply.set_resp3(self.resp3);
        ctx.state.executing = self.was_executing;
        ctx.state.scripted = false;
        if ctx.state.db != self.db {
            ctx.state.db = self.db;
            ctx.db.select(self.db);
            ctx.client.db.store(self.db, Ordering::Relaxed);
        }
    }
}
