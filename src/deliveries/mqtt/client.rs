//! The clients of both versions behind one interface.

use std::time::Duration;

use rumqttc::v5;
use rumqttc::v5::mqttbytes::v5::{PubAckReason, PublishProperties};
use rumqttc::{NetworkOptions, TlsConfiguration, Transport};

use super::broker::{Broker, LARGEST, Version};
use crate::deliveries::failure::Failure;
use crate::deliveries::message::Message;

/// Between two signs of life.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// Messages on the way, at most: more than lines that are served at a time.
const ON_THE_WAY: usize = 64;

/// What takes messages.
#[derive(Debug)]
pub enum Client {
    V3(rumqttc::AsyncClient),
    V5(v5::AsyncClient),
}

/// What does the work.
pub enum Events {
    V3(Box<rumqttc::EventLoop>),
    V5(Box<v5::EventLoop>),
}

/// What happened on a connection.
#[derive(Debug)]
pub enum Step {
    /// The broker accepts the connection.
    Connected,
    /// The next message was sent, with a number.
    Sent(u16),
    /// A message was acknowledged or refused.
    Done(u16, Result<(), Failure>),
    /// Nothing of interest.
    Other,
}

/// Why a connection ended.
#[derive(Debug)]
pub struct Ended {
    pub reason: String,
    /// The next message was too large for the broker.
    pub too_large: bool,
}

/// A client that is not connected.
pub fn new(broker: &Broker) -> (Client, Events) {
    let transport = broker.tls.as_ref().map_or(Transport::Tcp, |config| {
        Transport::Tls(TlsConfiguration::Rustls(config.clone()))
    });
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    match broker.version {
        Version::V3 => {
            let mut options =
                rumqttc::MqttOptions::new(&broker.client_id, &broker.host, broker.port);
            options.set_keep_alive(KEEP_ALIVE).set_transport(transport);
            // With what a packet has beside the message.
            options.set_max_packet_size(LARGEST, 2 * LARGEST);
            if let Some((user, password)) = &broker.login {
                options.set_credentials(user, password.reveal());
            }
            let (client, mut events) = rumqttc::AsyncClient::new(options, ON_THE_WAY);
            events.set_network_options(network);
            (Client::V3(client), Events::V3(Box::new(events)))
        }
        Version::V5 => {
            let mut options = v5::MqttOptions::new(&broker.client_id, &broker.host, broker.port);
            options.set_keep_alive(KEEP_ALIVE).set_transport(transport);
            options.set_network_options(network);
            // Memory is taken for as many.
            options.set_outgoing_inflight_upper_limit(ON_THE_WAY as u16);
            if let Some((user, password)) = &broker.login {
                options.set_credentials(user, password.reveal());
            }
            let (client, events) = v5::AsyncClient::new(options, ON_THE_WAY);
            (Client::V5(client), Events::V5(Box::new(events)))
        }
    }
}

impl Client {
    /// Gives a message to the client. False if it takes none.
    pub fn publish(&self, topic: String, message: &Message) -> bool {
        let body = message.body.clone();
        match self {
            Self::V3(client) => {
                let quality = rumqttc::QoS::AtLeastOnce;
                client.try_publish(topic, quality, false, body).is_ok()
            }
            Self::V5(client) => {
                let quality = v5::mqttbytes::QoS::AtLeastOnce;
                let id = ("clip-in-delivery-id".to_owned(), message.id.clone());
                let properties = PublishProperties {
                    payload_format_indicator: Some(1),
                    content_type: Some("application/json".to_owned()),
                    user_properties: vec![id],
                    ..PublishProperties::default()
                };
                let done =
                    client.try_publish_with_properties(topic, quality, false, body, properties);
                done.is_ok()
            }
        }
    }
}

impl Events {
    /// What happens next. The first call connects.
    ///
    /// # Errors
    /// [`Ended`]: the connection is gone.
    pub async fn next(&mut self) -> Result<Step, Ended> {
        match self {
            Self::V3(events) => match events.poll().await {
                Ok(event) => Ok(step_of_v3(&event)),
                Err(error) => Err(Ended {
                    too_large: is_too_large_for_v3(&error),
                    reason: error.to_string(),
                }),
            },
            Self::V5(events) => match events.poll().await {
                Ok(event) => Ok(step_of_v5(&event)),
                Err(error) => Err(Ended {
                    too_large: matches!(
                        error,
                        v5::ConnectionError::MqttState(
                            v5::StateError::OutgoingPacketTooLarge { .. }
                        )
                    ),
                    reason: error.to_string(),
                }),
            },
        }
    }
}

fn is_too_large_for_v3(error: &rumqttc::ConnectionError) -> bool {
    let rumqttc::ConnectionError::MqttState(rumqttc::StateError::Deserialization(error)) = error
    else {
        return false;
    };
    matches!(
        error,
        rumqttc::mqttbytes::Error::OutgoingPacketTooLarge { .. }
    )
}

fn step_of_v3(event: &rumqttc::Event) -> Step {
    match event {
        rumqttc::Event::Incoming(rumqttc::Packet::ConnAck(_)) => Step::Connected,
        rumqttc::Event::Outgoing(rumqttc::Outgoing::Publish(number)) => Step::Sent(*number),
        rumqttc::Event::Incoming(rumqttc::Packet::PubAck(ack)) => Step::Done(ack.pkid, Ok(())),
        _ => Step::Other,
    }
}

fn step_of_v5(event: &v5::Event) -> Step {
    use v5::mqttbytes::v5::Packet;
    match event {
        v5::Event::Incoming(Packet::ConnAck(_)) => Step::Connected,
        v5::Event::Outgoing(rumqttc::Outgoing::Publish(number)) => Step::Sent(*number),
        v5::Event::Incoming(Packet::PubAck(ack)) => Step::Done(ack.pkid, judged(ack.reason)),
        _ => Step::Other,
    }
}

/// What the broker's reason means.
fn judged(reason: PubAckReason) -> Result<(), Failure> {
    let said = || format!("the broker says {reason:?}");
    match reason {
        // Version 5 reports that a topic has no subscriber. The broker has the message all the same.
        PubAckReason::Success | PubAckReason::NoMatchingSubscribers => Ok(()),
        PubAckReason::QuotaExceeded
        | PubAckReason::UnspecifiedError
        | PubAckReason::ImplementationSpecificError
        | PubAckReason::PacketIdentifierInUse => Err(Failure::Later(said())),
        PubAckReason::NotAuthorized
        | PubAckReason::TopicNameInvalid
        | PubAckReason::PayloadFormatInvalid => Err(Failure::Refused(said())),
    }
}
