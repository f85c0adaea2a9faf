//! `ACL LOG`.

use crate::commands::table::wrong_subcommand;
use crate::commands::{Args, CommandResult, Ctx, Done};

/// `ACL LOG [count | RESET]`
pub(super) fn log(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    const USUAL: usize = 10;
    if args.len() > 1 {
        return Err(wrong_subcommand(args.argv()));
    }
    if args.accept("RESET") {
        ctx.daemon.acl.log.lock().reset();
        ctx.reply.ok();
        return Ok(Done);
    }
    let count = if args.is_empty() { USUAL } else { usize::try_from(args.int()?).unwrap_or(0) };
    let entries = ctx.daemon.acl.log.lock().latest(count);
    ctx.reply.array(entries.len());
    for entry in entries {
        let (denial, reply) = (&entry.denial, &mut ctx.reply);
        reply.map(10);
        reply.bulk(b"count");
        reply.int(entry.count);
        reply.bulk(b"reason");
        reply.bulk(denial.reason.name().as_bytes());
        reply.bulk(b"context");
        reply.bulk(denial.origin.name().as_bytes());
        reply.bulk(b"object");
        reply.bulk(&denial.object);
        reply.bulk(b"username");
        reply.bulk(&denial.user);
        reply.bulk(b"age-seconds");
        reply.double(ctx.now.since(entry.updated) as f64 / 1000.0);
        reply.bulk(b"client-info");
        reply.bulk(denial.client.as_bytes());
        reply.bulk(b"entry-id");
        reply.int(entry.id);
        reply.bulk(b"timestamp-created");
        reply.int(entry.created.0);
        reply.bulk(b"timestamp-last-updated");
        reply.int(entry.updated.0);
    }
    Ok(Done)
}
