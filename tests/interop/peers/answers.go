package main

import (
	"encoding/binary"
	"net/netip"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// answerUDP answers datagrams on a port of both tailnet addresses; an answer of nil is none.
func (n *node) answerUDP(port uint16, answer func(question []byte) []byte) error {
	for _, ip := range []netip.Addr{n.ip4, n.ip6} {
		if !ip.IsValid() {
			continue
		}
		pc, err := n.server.ListenPacket("udp", netip.AddrPortFrom(ip, port).String())
		if err != nil {
			return err
		}
		go func() {
			buffer := make([]byte, 64<<10)
			for {
				length, from, err := pc.ReadFrom(buffer)
				if err != nil {
					return
				}
				if text := answer(buffer[:length]); text != nil {
					pc.WriteTo(text, from)
				}
			}
		}()
	}
	return nil
}

// Seconds from 1900, where NTP's time begins, to 1970.
const ntpEpoch = 2_208_988_800

// answerNTP is a server of stratum 1 (RFC 5905, figure 8): every timestamp of it is now.
func answerNTP(question []byte) []byte {
	const client, server = 3, 4
	if len(question) < 48 || question[0]&7 != client {
		return nil
	}
	now := time.Now()
	seconds, fraction := uint32(now.Unix()+ntpEpoch), uint32(uint64(now.Nanosecond())<<32/1e9)
	b := make([]byte, 48)
	b[0], b[1] = question[0]&0x38|server, 1
	copy(b[24:], question[40:48])
	for _, at := range []int{16, 32, 40} {
		binary.BigEndian.PutUint32(b[at:], seconds)
		binary.BigEndian.PutUint32(b[at+4:], fraction)
	}
	return b
}

// answerDNS knows A records by name without trailing dot; other names do not exist.
func answerDNS(records map[string]string) func([]byte) []byte {
	return func(question []byte) []byte {
		var m dnsmessage.Message
		if m.Unpack(question) != nil || len(m.Questions) != 1 {
			return nil
		}
		q := m.Questions[0]
		name := q.Name.String()
		reply := dnsmessage.Message{Header: dnsmessage.Header{ID: m.ID, Response: true, RCode: dnsmessage.RCodeNameError}, Questions: m.Questions}
		if address, err := netip.ParseAddr(records[name[:len(name)-1]]); err == nil && q.Type == dnsmessage.TypeA {
			reply.RCode = dnsmessage.RCodeSuccess
			reply.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 60},
				Body:   &dnsmessage.AResource{A: address.As4()},
			}}
		}
		b, err := reply.Pack()
		if err != nil {
			return nil
		}
		return b
	}
}
