//! GEOADD.

use super::{Args, CommandError, CommandResult, Ctx, hash, place};
use crate::commands::sorted_set::change::{Options, add};

/// `GEOADD key [NX|XX] [CH] longitude latitude member [longitude latitude member ...]`
pub(super) fn geoadd(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> CommandResult {
    let key = args.key()?;
    let mut options = Options::default();
    loop {
        if args.accept("NX") {
            options.nx = true;
        } else if args.accept("XX") {
            options.xx = true;
        } else if args.accept("CH") {
            options.ch = true;
        } else {
            break;
        }
    }
    if args.is_empty() || !args.len().is_multiple_of(3) || options.nx && options.xx {
        return Err(CommandError::Syntax);
    }
    let mut members = Vec::with_capacity(args.len() / 3);
    while !args.is_empty() {
        members.push((hash::score(place(args)?), args.bytes()?));
    }
    add(ctx, key, options, &members)
}
