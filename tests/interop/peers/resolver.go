package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"

	"golang.org/x/net/dns/dnsmessage"
)

// resolver answers questions about names on an address of this namespace, by UDP and TCP, and keeps what it was asked.
type resolver struct {
	answer    func([]byte) []byte
	truncates bool // by UDP it says only that there is more

	mu    sync.Mutex
	asked []string // "udp www.lan.test."
}

// registerResolvers: resolvers of the network below, as a LAN has them.
func registerResolvers(p *program) {
	var mu sync.Mutex
	resolvers := map[string]*resolver{}
	command(p, "local.dns", func(_ context.Context, a struct {
		On        string            `json:"on"`      // ip:port
		Records   map[string]string `json:"records"` // as of node.offer
		Truncates bool              `json:"truncates"`
	}) (any, error) {
		r := &resolver{answer: answerDNS(a.Records), truncates: a.Truncates}
		pc, err := net.ListenPacket("udp", a.On)
		if err != nil {
			return nil, err
		}
		l, err := net.Listen("tcp", a.On)
		if err != nil {
			return nil, err
		}
		go r.serveUDP(pc)
		go serve(l, r.serveTCP)
		mu.Lock()
		defer mu.Unlock()
		resolvers[a.On] = r
		return none{}, nil
	})
	command(p, "local.dnsAsked", func(_ context.Context, a struct {
		On string `json:"on"`
	}) (any, error) {
		mu.Lock()
		r := resolvers[a.On]
		mu.Unlock()
		if r == nil {
			return nil, fmt.Errorf("no resolver on %s", a.On)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		return append([]string{}, r.asked...), nil
	})
}

func (r *resolver) note(by string, question []byte) {
	var m dnsmessage.Message
	if m.Unpack(question) != nil || len(m.Questions) != 1 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, by+" "+m.Questions[0].Name.String())
}

func (r *resolver) serveUDP(pc net.PacketConn) {
	buffer := make([]byte, 64<<10)
	for {
		n, from, err := pc.ReadFrom(buffer)
		if err != nil {
			return
		}
		r.note("udp", buffer[:n])
		b := r.answer(buffer[:n])
		if b != nil && r.truncates {
			b = b[:n]
			b[2] |= 0x02
			copy(b[6:12], make([]byte, 6))
		}
		pc.WriteTo(b, from)
	}
}

func (r *resolver) serveTCP(c net.Conn) {
	for {
		head := make([]byte, 2)
		if _, err := io.ReadFull(c, head); err != nil {
			return
		}
		question := make([]byte, binary.BigEndian.Uint16(head))
		if _, err := io.ReadFull(c, question); err != nil {
			return
		}
		r.note("tcp", question)
		b := r.answer(question)
		// In two parts, as a network may.
		c.Write(binary.BigEndian.AppendUint16(nil, uint16(len(b))))
		c.Write(b)
	}
}
