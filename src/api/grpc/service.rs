//! `clip_in.v1.ClipIn`: converts each call, runs it, and answers.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::Stream;
use tonic::{Request, Response, Status, Streaming};

use super::proto::clip_in_server::ClipIn;
use super::{compare, convert, embed_stream, inspect, options, proto};
use crate::api::{ApiError, AppState};
use crate::calls::{
    self, ClassifyCall, CompareCall, EmbedCall, ExplainCall, Labels, RerankCall, SimilarityCall,
};
use crate::engine::Lane;
use crate::error_code::Code;

/// The service of a server.
pub struct Service {
    state: Arc<AppState>,
}

impl Service {
    /// The state of this server.
    pub fn new(state: Arc<AppState>) -> Self {
        Self { state }
    }
}

#[tonic::async_trait]
impl ClipIn for Service {
    async fn embed(
        &self,
        request: Request<proto::EmbedRequest>,
    ) -> Result<Response<proto::EmbedResponse>, Status> {
        let (metadata, extensions, request) = request.into_parts();
        let call = EmbedCall {
            model: convert::name(request.model),
            items: convert::items(request.items, "items", |item, field| {
                convert::item(item, field)
            })?,
            dimensions: request.dimensions.map(|d| d as usize),
            options: options::read(
                &metadata,
                &extensions,
                Lane::Interactive,
                request.refuse_long_texts,
                request.image_options,
            )?,
            field: "items",
        };
        let found = calls::embed(&self.state, call).await?;
        let embeddings = found.vectors.into_iter();
        Ok(Response::new(proto::EmbedResponse {
            model: found.model,
            embeddings: embeddings
                .map(|values| proto::Embedding { values })
                .collect(),
            usage: convert::usage(found.tokens),
            warnings: convert::warnings(found.warnings),
        }))
    }

    type EmbedStreamStream =
        Pin<Box<dyn Stream<Item = Result<proto::EmbedStreamResponse, Status>> + Send>>;

    async fn embed_stream(
        &self,
        request: Request<Streaming<proto::EmbedStreamRequest>>,
    ) -> Result<Response<Self::EmbedStreamStream>, Status> {
        embed_stream::embed(self.state.clone(), request).map(Response::new)
    }

    async fn similarity(
        &self,
        request: Request<proto::SimilarityRequest>,
    ) -> Result<Response<proto::SimilarityResponse>, Status> {
        let (metadata, extensions, request) = request.into_parts();
        let call = SimilarityCall {
            model: convert::name(request.model),
            images: convert::images(request.images),
            texts: request.texts,
            options: options::read(
                &metadata,
                &extensions,
                Lane::Interactive,
                request.refuse_long_texts,
                request.image_options,
            )?,
        };
        let found = calls::similarity(&self.state, call).await?;
        Ok(Response::new(proto::SimilarityResponse {
            model: found.model,
            scores: convert::matrix(found.scores.cosines),
            logits: convert::matrix(found.scores.logits),
            probabilities: convert::matrix(found.scores.probabilities),
            usage: convert::usage(found.tokens),
            warnings: convert::warnings(found.warnings),
        }))
    }

    async fn classify(
        &self,
        request: Request<proto::ClassifyRequest>,
    ) -> Result<Response<proto::ClassifyResponse>, Status> {
        let (metadata, extensions, request) = request.into_parts();
        let labels = match convert::name(request.labelset) {
            Some(_) if !request.labels.is_empty() => {
                let message = "either a label set or labels, not both";
                let error = ApiError::new(Code::InvalidRequest, message);
                return Err(error.at("labelset").into());
            }
            Some(name) => Labels::Set(name),
            None => Labels::Inline(request.labels),
        };
        let call = ClassifyCall {
            model: convert::name(request.model),
            images: convert::images(request.images),
            labels,
            options: options::read(
                &metadata,
                &extensions,
                Lane::Interactive,
                request.refuse_long_texts,
                request.image_options,
            )?,
        };
        let found = calls::classify(&self.state, call).await?;
        let results = found.results.into_iter().map(convert::classification);
        Ok(Response::new(proto::ClassifyResponse {
            model: found.model,
            labelset: found.labelset.unwrap_or_default(),
            results: results.collect(),
            usage: convert::usage(found.tokens),
            warnings: convert::warnings(found.warnings),
        }))
    }

    async fn explain(
        &self,
        request: Request<proto::ExplainRequest>,
    ) -> Result<Response<proto::ExplainResponse>, Status> {
        let (metadata, extensions, request) = request.into_parts();
        let call = ExplainCall {
            model: convert::name(request.model),
            images: convert::images(request.images),
            texts: request.texts,
            method: convert::method(request.method)?,
            map: convert::map_kind(request.map)?,
            options: options::read(
                &metadata,
                &extensions,
                Lane::Interactive,
                request.refuse_long_texts,
                request.image_options,
            )?,
        };
        let found = calls::explain(&self.state, call).await?;
        let results = found.images.into_iter().map(convert::explanations);
        Ok(Response::new(proto::ExplainResponse {
            model: found.model,
            results: results.collect(),
            usage: convert::usage(found.tokens),
            warnings: convert::warnings(found.warnings),
        }))
    }

    async fn compare(
        &self,
        request: Request<proto::CompareRequest>,
    ) -> Result<Response<proto::CompareResponse>, Status> {
        let (metadata, extensions, request) = request.into_parts();
        let call = CompareCall {
            model: convert::name(request.model),
            learnt_by: None,
            against: compare::against(
                request.reference,
                request.references,
                request.resolution,
                request.mask,
            )?,
            images: convert::images(request.images),
            statements: request.statements.into_iter().map(compare::said).collect(),
            map: convert::map_kind(request.map)?,
            options: options::read(
                &metadata,
                &extensions,
                Lane::Interactive,
                request.refuse_long_texts,
                request.image_options,
            )?,
        };
        let found = calls::compare(&self.state, call).await?;
        Ok(Response::new(compare::answer(found)))
    }

    async fn inspect(
        &self,
        request: Request<proto::InspectRequest>,
    ) -> Result<Response<proto::Inspection>, Status> {
        let (metadata, extensions, part) = request.into_parts();
        let options = options::read(&metadata, &extensions, Lane::Interactive, false, None)?;
        let found = inspect::one(&self.state, part, options).await?;
        Ok(Response::new(found))
    }

    type InspectStreamStream =
        Pin<Box<dyn Stream<Item = Result<proto::InspectStreamResponse, Status>> + Send>>;

    async fn inspect_stream(
        &self,
        request: Request<Streaming<proto::InspectRequest>>,
    ) -> Result<Response<Self::InspectStreamStream>, Status> {
        inspect::each(self.state.clone(), request).map(Response::new)
    }

    async fn rerank(
        &self,
        request: Request<proto::RerankRequest>,
    ) -> Result<Response<proto::RerankResponse>, Status> {
        let (metadata, extensions, request) = request.into_parts();
        let call = RerankCall {
            model: convert::name(request.model),
            query: convert::document(request.query, || "query".to_owned())?,
            documents: convert::items(request.documents, "documents", |item, field| {
                convert::document(item, field)
            })?,
            top_n: request.top_n.map(|n| n as usize),
            return_documents: request.return_documents,
            options: options::read(
                &metadata,
                &extensions,
                Lane::Interactive,
                request.refuse_long_texts,
                request.image_options,
            )?,
        };
        let found = calls::rerank(&self.state, call).await?;
        Ok(Response::new(proto::RerankResponse {
            model: found.model,
            results: found.results.into_iter().map(convert::ranked).collect(),
            usage: convert::usage(found.tokens),
            warnings: convert::warnings(found.warnings),
        }))
    }
}
