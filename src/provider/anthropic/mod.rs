//! Not spoken yet.

use futures_util::future::{BoxFuture, ready};
use futures_util::{FutureExt, StreamExt, stream};

use crate::provider::answer::Answer;
use crate::provider::decode::{Fold, Progress};
use crate::provider::endpoint::Endpoint;
use crate::provider::failure::Failure;
use crate::provider::redact::Redactor;
use crate::provider::sse::Frame;
use crate::provider::{Kind, Model, ModelStream, Provider, Request};

pub(crate) struct Anthropic;

impl Provider for Anthropic {
    fn kind(&self) -> Kind {
        Kind::Anthropic
    }

    fn stream(&self, _: Request) -> ModelStream {
        stream::iter([Err(Failure::refused("this API is not spoken yet"))]).boxed()
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<Model>, Failure>> {
        ready(Err(Failure::refused("this API is not spoken yet"))).boxed()
    }
}

pub(crate) struct Folding;

impl Folding {
    pub(crate) fn new(_: Redactor) -> Self {
        Self
    }
}

impl Fold for Folding {
    fn frame(&mut self, _: &Frame, _: &mut Answer) -> Result<Progress, Failure> {
        Err(Failure::refused("this API is not spoken yet"))
    }

    fn end(&mut self, _: &mut Answer) -> Result<(), Failure> {
        Ok(())
    }
}

impl Anthropic {
    pub(crate) fn new(_: Endpoint) -> Self {
        Self
    }
}
