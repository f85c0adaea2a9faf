//! Who a connection is. It keeps the user as it was at its last look, and looks again when the users have
//! changed: one load a command tells.

use super::Acl;
use super::user::User;
use std::sync::Arc;

/// See the module.
pub struct Login {
    user: Arc<User>,
    epoch: u64,
    /// The user may do everything.
    is_unrestricted: bool,
    has_logged_in: bool,
}

/// The user was deleted: the connection is to be closed.
#[derive(Debug)]
pub struct Gone;

impl Login {
    /// As a client comes: the default user, logged in if that takes no password.
    pub fn new(acl: &Acl) -> Login {
        let epoch = acl.epoch();
        let user = acl.default_user();
        Login { epoch, is_unrestricted: user.is_unrestricted(), has_logged_in: user.is_open(), user }
    }

    /// As the connection of the user with this id.
    ///
    /// # Errors
    /// There is no such user any more.
    pub fn of(acl: &Acl, id: u64) -> Result<Login, Gone> {
        let epoch = acl.epoch();
        let user = acl.all().into_iter().find(|user| user.id() == id).ok_or(Gone)?;
        Ok(Login { epoch, is_unrestricted: user.is_unrestricted(), has_logged_in: true, user })
    }

    /// Becomes `user`, whom [`Acl::authenticate`] gave together with `epoch`.
    pub fn become_user(&mut self, (user, epoch): (Arc<User>, u64)) {
        self.is_unrestricted = user.is_unrestricted();
        (self.user, self.epoch, self.has_logged_in) = (user, epoch, true);
    }

    /// Takes over what has changed.
    ///
    /// # Errors
    /// There is no such user any more.
    #[inline]
    pub fn refresh(&mut self, acl: &Acl) -> Result<(), Gone> {
        if self.is_stale(acl) { self.look_again(acl) } else { Ok(()) }
    }

    /// Has any user changed since the last look?
    #[inline]
    pub fn is_stale(&self, acl: &Acl) -> bool {
        self.epoch != acl.epoch()
    }

    #[cold]
    fn look_again(&mut self, acl: &Acl) -> Result<(), Gone> {
        let epoch = acl.epoch();
        let user = acl.get(&self.user.name).filter(|user| user.id() == self.user.id()).ok_or(Gone)?;
        self.is_unrestricted = user.is_unrestricted();
        (self.user, self.epoch) = (user, epoch);
        Ok(())
    }

    pub fn user(&self) -> &Arc<User> {
        &self.user
    }

    /// Everything is allowed: there is nothing to check.
    #[inline]
    pub fn is_unrestricted(&self) -> bool {
        self.is_unrestricted
    }

    /// The user, when it may not do everything.
    pub fn restricted(&self) -> Option<Arc<User>> {
        (!self.is_unrestricted).then(|| self.user.clone())
    }

    /// Must it log in before anything else? Who came while the default user took no password need not, once it
    /// does again.
    #[inline]
    pub fn is_stranger(&self, acl: &Acl) -> bool {
        !self.has_logged_in && !acl.is_open()
    }
}
