package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"tailscale.com/derp/derphttp"
	"tailscale.com/disco"
	"tailscale.com/net/netmon"
	"tailscale.com/types/key"
	"tailscale.com/types/logger"
)

// villain is a member of the tailnet that is no node but keys, with which this program says what no node would.
type villain struct {
	node  key.NodePrivate
	disco key.DiscoPrivate
}

// target is whom a villain speaks to.
type target struct {
	To       string          `json:"to"` // UDP ip:port
	NodeKey  key.NodePublic  `json:"nodeKey"`
	DiscoKey key.DiscoPublic `json:"discoKey"`
}

// registerVillains: villains, and what members of a tailnet should not do.
func registerVillains(p *program) {
	var mu sync.Mutex
	villains := map[string]*villain{}
	find := func(name string) (*villain, error) {
		mu.Lock()
		defer mu.Unlock()
		if v, ok := villains[name]; ok {
			return v, nil
		}
		return nil, fmt.Errorf("no villain %q", name)
	}
	command(p, "villain.join", func(_ context.Context, a struct {
		Name string `json:"name"`
	}) (any, error) {
		v := &villain{node: key.NewNode(), disco: key.NewDisco()}
		mu.Lock()
		villains[a.Name] = v
		count := len(villains)
		mu.Unlock()
		makeNodeTable(p.control.server)
		n := fakeNode(900_000 + count)
		n.Key, n.DiscoKey, n.Name, n.Endpoints = v.node.Public(), v.disco.Public(), a.Name+".fake-control.example.net.", nil
		p.control.server.UpdateNode(n)
		p.control.wake()
		return map[string]any{"addresses": n.Addresses}, nil
	})
	command(p, "villain.attack", func(ctx context.Context, a struct {
		Name      string `json:"name"`
		Kind      string `json:"kind"`  // of datagrams below
		Relay     string `json:"relay"` // URL of a DERP server: by it instead of UDP
		PerSecond int    `json:"perSecond"`
		Seconds   int    `json:"seconds"`
		target
	}) (any, error) {
		v, err := find(a.Name)
		if err != nil {
			return nil, err
		}
		next, err := v.datagrams(a.Kind, a.target)
		if err != nil {
			return nil, err
		}
		send, closeIt, err := v.way(ctx, p, a.Relay, a.target)
		if err != nil {
			return nil, err
		}
		defer closeIt()
		return repeat(ctx, a.PerSecond, a.Seconds, func(i int) { send(next(i)) })
	})
	command(p, "villain.listen", func(ctx context.Context, a struct {
		Name  string `json:"name"`
		Relay string `json:"relay"` // URL of a DERP server: what comes by it, and by UDP, is read and forgotten, until the program ends
	}) (any, error) {
		v, err := find(a.Name)
		if err != nil {
			return nil, err
		}
		if _, _, err := v.way(ctx, p, a.Relay, target{}); err != nil {
			return nil, err
		}
		c, err := net.ListenUDP("udp4", nil)
		if err != nil {
			return nil, err
		}
		go func() {
			for b := make([]byte, 65536); ; {
				if _, _, err := c.ReadFromUDPAddrPort(b); err != nil {
					return
				}
			}
		}()
		return map[string]any{"nodeKey": v.node.Public(), "discoKey": v.disco.Public(), "port": c.LocalAddr().(*net.UDPAddr).Port}, nil
	})
	command(p, "node.inject", func(ctx context.Context, a struct {
		Node      string   `json:"node"`
		Packets   [][]byte `json:"packets"` // IP packets, base64; sent in turn as if an application had made them
		PerSecond int      `json:"perSecond"`
		Seconds   int      `json:"seconds"`
	}) (any, error) {
		n, err := p.nodes.get(a.Node)
		if err != nil {
			return nil, err
		}
		if len(a.Packets) == 0 {
			return nil, fmt.Errorf("packets: expected at least one")
		}
		tun := n.server.Sys().Tun.Get()
		return repeat(ctx, a.PerSecond, a.Seconds, func(i int) {
			tun.InjectOutbound(append([]byte(nil), a.Packets[i%len(a.Packets)]...))
		})
	})
}

// repeat calls send with 0, 1, 2 ... so many times a second.
func repeat(ctx context.Context, perSecond, seconds int, send func(i int)) (any, error) {
	sent, began := 0, time.Now()
	for time.Since(began) < time.Duration(seconds)*time.Second && ctx.Err() == nil {
		for want := int(time.Since(began).Seconds() * float64(perSecond)); sent < want; sent++ {
			send(sent)
		}
		time.Sleep(time.Millisecond)
	}
	return map[string]any{"sent": sent, "seconds": time.Since(began).Seconds()}, nil
}

// datagrams returns what makes the i-th datagram of a kind.
func (v *villain) datagrams(kind string, to target) (func(i int) []byte, error) {
	shared := v.disco.Shared(to.DiscoKey)
	sealed := func(message []byte) []byte {
		public := v.disco.Public().Raw32()
		return append(append([]byte(disco.Magic), public[:]...), shared.Seal(message)...)
	}
	random := func(size int) []byte {
		b := make([]byte, size)
		rand.Read(b)
		return b
	}
	switch kind {
	case "disco-ping":
		return func(int) []byte {
			ping := &disco.Ping{NodeKey: v.node.Public()}
			rand.Read(ping.TxID[:])
			return sealed(ping.AppendMarshal(nil))
		}, nil
	case "disco-pong": // nobody asked for it
		return func(int) []byte {
			pong := &disco.Pong{Src: netip.MustParseAddrPort("192.0.2.1:1")}
			rand.Read(pong.TxID[:])
			return sealed(pong.AppendMarshal(nil))
		}, nil
	case "call-me-maybe": // with 1,000 endpoints, others each time
		return func(i int) []byte {
			call := &disco.CallMeMaybe{}
			for j := range 1000 {
				call.MyNumber = append(call.MyNumber, netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, byte(i), byte(j)}), uint16(1+j)))
			}
			return sealed(call.AppendMarshal(nil))
		}, nil
	case "disco-garbage": // sealed, and no message; of every length
		return func(i int) []byte { return sealed(random(i % 1200)) }, nil
	case "disco-unsealed":
		return func(i int) []byte {
			public := v.disco.Public().Raw32()
			return append(append([]byte(disco.Magic), public[:]...), random(i%1200)...)
		}, nil
	case "wireguard-garbage": // each type of message, of every length
		return func(i int) []byte {
			b := random(4 + i%1400)
			copy(b, []byte{byte(i % 6), 0, 0, 0})
			return b
		}, nil
	}
	return nil, fmt.Errorf("kind %q", kind)
}

// way returns what sends a datagram: by UDP, or by a relay as the villain's own node would.
func (v *villain) way(ctx context.Context, p *program, relay string, to target) (send func([]byte), closeIt func(), err error) {
	if relay == "" {
		c, err := net.Dial("udp", to.To)
		if err != nil {
			return nil, nil, err
		}
		return func(b []byte) { c.Write(b) }, func() { c.Close() }, nil
	}
	pem, err := os.ReadFile(p.authority.file)
	if err != nil {
		return nil, nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	c, err := derphttp.NewClient(v.node, relay, logger.Discard, netmon.NewStatic())
	if err != nil {
		return nil, nil, err
	}
	c.TLSConfig = &tls.Config{RootCAs: roots}
	if err := c.Connect(ctx); err != nil {
		c.Close()
		return nil, nil, err
	}
	go func() { // what comes is read and forgotten, or the relay would stop
		for {
			if _, err := c.Recv(); err != nil {
				return
			}
		}
	}()
	return func(b []byte) { c.Send(to.NodeKey, b) }, func() { c.Close() }, nil
}
