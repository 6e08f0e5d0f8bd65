package main

import (
	"io"
	"log/slog"
	"net"
	"sync"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/packets"
)

// broker is an MQTT broker on a listener of a tsnet node, that remembers what was published.
type broker struct {
	server *mqtt.Server
	mu     sync.Mutex
	all    []publication
}

// publication is one message as the broker had it.
type publication struct {
	Topic string `json:"topic"`
	Bytes int    `json:"bytes"`
	Text  string `json:"text"` // its first bytes
	QoS   byte   `json:"qos"`
}

// newBroker serves l. With a password only user "user" with it is let in.
func newBroker(l net.Listener, password string) (*broker, error) {
	b := &broker{server: mqtt.New(&mqtt.Options{InlineClient: true, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})}
	var hook mqtt.Hook = new(auth.AllowHook)
	var config any
	if password != "" {
		hook, config = new(auth.Hook), &auth.Options{Ledger: &auth.Ledger{Auth: auth.AuthRules{{Username: "user", Password: auth.RString(password), Allow: true}}}}
	}
	if err := b.server.AddHook(hook, config); err != nil {
		return nil, err
	}
	if err := b.server.Subscribe("#", 1, func(_ *mqtt.Client, _ packets.Subscription, packet packets.Packet) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.all = append(b.all, publication{packet.TopicName, len(packet.Payload), string(packet.Payload[:min(len(packet.Payload), 32)]), packet.FixedHeader.Qos})
	}); err != nil {
		return nil, err
	}
	if err := b.server.Serve(); err != nil {
		return nil, err
	}
	go serve(l, func(c net.Conn) { b.server.EstablishConnection("tailnet", c) })
	return b, nil
}

func (b *broker) heard() []publication {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]publication{}, b.all...)
}
