package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"time"

	"golang.org/x/crypto/blake2s"
	"tailscale.com/types/key"
)

// registerLocal: traffic that does not use a tailnet, from the network stack of this namespace. It is what a stranger on a
// node's network can do.
func registerLocal(p *program) {
	plain := (&net.Dialer{}).DialContext
	command(p, "local.dial", func(ctx context.Context, a struct {
		To string `json:"to"`
	}) (any, error) {
		return dialOutcome(ctx, plain, a.To)
	})
	command(p, "local.udp", func(ctx context.Context, a struct {
		To    string `json:"to"`
		Size  int    `json:"size"`
		Count int    `json:"count"`
	}) (any, error) {
		return udpEcho(ctx, plain, a.To, a.Size, max(a.Count, 1))
	})
	command(p, "local.flood", func(ctx context.Context, a struct {
		To        string         `json:"to"`      // UDP ip:port of a node
		NodeKey   key.NodePublic `json:"nodeKey"` // of that node; zero: datagrams without a valid mac1
		PerSecond int            `json:"perSecond"`
		Seconds   int            `json:"seconds"`
	}) (any, error) {
		return flood(ctx, a.To, a.NodeKey, a.PerSecond, time.Duration(a.Seconds)*time.Second)
	})
}

// flood sends WireGuard initiations from nobody: random contents, and a valid mac1 when the node's key is given, so that the
// node has to do the first Diffie-Hellman or ask for a cookie.
//
//	0 type 1 | 4 sender | 8 ephemeral 32 | 40 static 48 | 88 timestamp 28 | 116 mac1 16 | 132 mac2 16 | 148
func flood(ctx context.Context, to string, nodeKey key.NodePublic, perSecond int, duration time.Duration) (any, error) {
	c, err := net.Dial("udp", to)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	raw := nodeKey.Raw32()
	mac1Key := blake2s.Sum256(append([]byte("mac1----"), raw[:]...))

	datagram := make([]byte, 148)
	sent, began := 0, time.Now()
	for time.Since(began) < duration && ctx.Err() == nil {
		for want := int(time.Since(began).Seconds() * float64(perSecond)); sent < want; sent++ {
			rand.Read(datagram[4:116])
			copy(datagram, []byte{1, 0, 0, 0})
			if !nodeKey.IsZero() {
				mac, err := blake2s.New128(mac1Key[:])
				if err != nil {
					return nil, err
				}
				mac.Write(datagram[:116])
				copy(datagram[116:132], mac.Sum(nil))
			}
			c.Write(datagram) // a refused port is an error of the next write: no matter
		}
		time.Sleep(time.Millisecond)
	}
	if sent == 0 {
		return nil, fmt.Errorf("nothing was sent")
	}
	return map[string]any{"sent": sent, "seconds": time.Since(began).Seconds()}, nil
}
