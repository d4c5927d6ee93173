//! The look that every page shares: documents, parts, files. Pages work without a script; no page writes one of its own.

mod accent;
mod ask;
pub mod assets;
mod button;
mod document;
mod field;
mod form;
mod frame;
mod nav;
mod notice;
mod plural;
mod screen;
mod table;
mod time;

pub use ask::{Ask, see_other};
pub use button::Button;
pub use document::Card;
pub use field::Field;
pub use form::{confirm, form, form_files, form_get};
pub use frame::Frame;
pub use notice::{Empty, Notice, Tag, Tone};
pub use plural::{plural, with_article};
pub use screen::Screen;
pub use table::{Pager, facts, table_region, tabs};
pub use time::Stamp;
