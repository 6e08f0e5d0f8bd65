package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"tailscale.com/ipn"
	"tailscale.com/ipn/ipnstate"
	"tailscale.com/tailcfg"
	"tailscale.com/tsnet"
	"tailscale.com/types/nettype"
	"tailscale.com/wgengine/netstack"
)

// nodes are the tsnet nodes of this program, by the name that the test gave them.
type nodes struct {
	p  *program
	mu sync.Mutex
	by map[string]*node
}

// node is one tsnet node with its services (services.go).
type node struct {
	options nodeOptions
	dir     string
	server  *tsnet.Server
	ip4     netip.Addr
	ip6     netip.Addr
	*services
}

type nodeOptions struct {
	Node       string `json:"node"` // also the hostname
	ControlURL string `json:"controlURL"`
	AuthKey    string `json:"authKey"`
	Port       uint16 `json:"port"`
	Ephemeral  bool   `json:"ephemeral"`
	NoServices bool   `json:"noServices"`
	Peers      int    `json:"peers"` // also wait until the netmap has so many peers

	AdvertiseRoutes []netip.Prefix `json:"advertiseRoutes"` // both default routes: an exit node
	AcceptRoutes    bool           `json:"acceptRoutes"`
}

func newNodes(p *program) *nodes {
	ns := &nodes{p: p, by: map[string]*node{}}
	command(p, "node.start", ns.start)
	command(p, "node.stop", func(_ context.Context, a nodeArgument) (any, error) {
		n, err := ns.get(a.Node)
		if err != nil {
			return nil, err
		}
		ns.mu.Lock()
		delete(ns.by, a.Node)
		ns.mu.Unlock()
		return none{}, n.server.Close()
	})
	command(p, "node.status", func(ctx context.Context, a nodeArgument) (any, error) {
		n, err := ns.get(a.Node)
		if err != nil {
			return nil, err
		}
		return n.status(ctx)
	})
	command(p, "node.ping", ns.ping)
	command(p, "node.whois", func(ctx context.Context, a struct {
		Node string `json:"node"`
		Of   string `json:"of"` // "ip:port" or "ip"
	}) (any, error) {
		n, err := ns.get(a.Node)
		if err != nil {
			return nil, err
		}
		client, err := n.server.LocalClient()
		if err != nil {
			return nil, err
		}
		who, err := client.WhoIs(ctx, a.Of)
		if err != nil {
			return nil, err
		}
		return map[string]any{"name": who.Node.Name, "nodeKey": who.Node.Key, "login": who.UserProfile.LoginName, "capMap": who.CapMap}, nil
	})
	command(p, "node.debug", func(ctx context.Context, a struct {
		Node   string `json:"node"`
		Action string `json:"action"` // "restun", "rebind", "break-derp-conns", ...
	}) (any, error) {
		n, err := ns.get(a.Node)
		if err != nil {
			return nil, err
		}
		client, err := n.server.LocalClient()
		if err != nil {
			return nil, err
		}
		return none{}, client.DebugAction(ctx, a.Action)
	})
	command(p, "node.filter", func(ctx context.Context, a nodeArgument) (any, error) {
		n, err := ns.get(a.Node)
		if err != nil {
			return nil, err
		}
		client, err := n.server.LocalClient()
		if err != nil {
			return nil, err
		}
		return client.DebugPacketFilterRules(ctx)
	})
	registerTraffic(p, ns)
	registerDrip(p, ns)
	registerOffers(p, ns)
	registerProxy(p, ns)
	return ns
}

func (ns *nodes) get(name string) (*node, error) {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	n, ok := ns.by[name]
	if !ok {
		return nil, fmt.Errorf("no node %q", name)
	}
	return n, nil
}

func (ns *nodes) closeAll() {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	var wait sync.WaitGroup
	for _, n := range ns.by {
		wait.Go(func() { n.server.Close() })
	}
	wait.Wait()
}

// start brings a node up and times it: from the new Server to state Running, and to a netmap with all expected peers. A node
// of a name that ran before in this folder starts with its old state.
func (ns *nodes) start(ctx context.Context, o nodeOptions) (any, error) {
	if _, err := ns.get(o.Node); err == nil {
		return nil, fmt.Errorf("node %q runs already", o.Node)
	}
	n := &node{options: o, dir: filepath.Join(ns.p.dir, "tsnet-"+o.Node)}
	if err := os.MkdirAll(n.dir, 0o700); err != nil {
		return nil, err
	}
	began := time.Now()
	n.server = &tsnet.Server{
		Dir:        n.dir,
		Hostname:   o.Node,
		ControlURL: o.ControlURL,
		AuthKey:    o.AuthKey,
		Port:       o.Port,
		Ephemeral:  o.Ephemeral,
		UserLogf:   ns.p.logf(o.Node),
		Logf:       ns.p.logf(o.Node),
	}
	status, err := n.server.Up(ctx)
	if err != nil {
		n.server.Close()
		return nil, err
	}
	running := time.Since(began)
	if err := n.setRoutes(ctx); err != nil {
		n.server.Close()
		return nil, err
	}
	for len(status.Peer) < o.Peers {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("%d of %d peers after %v", len(status.Peer), o.Peers, time.Since(began))
		}
		time.Sleep(5 * time.Millisecond)
		client, err := n.server.LocalClient()
		if err != nil {
			return nil, err
		}
		if status, err = client.Status(ctx); err != nil {
			return nil, err
		}
	}
	complete := time.Since(began)
	n.ip4, n.ip6 = n.server.TailscaleIPs()
	if !o.NoServices {
		if n.services, err = startServices(n); err != nil {
			n.server.Close()
			return nil, err
		}
	}
	ns.mu.Lock()
	ns.by[o.Node] = n
	ns.mu.Unlock()
	return map[string]any{
		"ip4":        n.ip4,
		"ip6":        n.ip6,
		"nodeKey":    status.Self.PublicKey,
		"name":       strings.TrimSuffix(status.Self.DNSName, "."),
		"peers":      len(status.Peer),
		"runningMS":  milliseconds(running),
		"completeMS": milliseconds(complete),
	}, nil
}

// setRoutes tells the node which subnets it offers, and whether it uses those of others. tsnet takes every flow for one of its listeners; those to other
// addresses are left to netstack here, which then does with them what it does in tailscaled: it terminates them and dials from this namespace.
func (n *node) setRoutes(ctx context.Context) error {
	if len(n.options.AdvertiseRoutes) == 0 && !n.options.AcceptRoutes {
		return nil
	}
	stack, ok := n.server.Sys().Netstack.Get().(*netstack.Impl)
	if !ok {
		return errors.New("this node has no netstack")
	}
	own4, own6 := n.server.TailscaleIPs()
	isOwn := func(a netip.AddrPort) bool { return a.Addr() == own4 || a.Addr() == own6 }
	tcp, udp := stack.GetTCPHandlerForFlow, stack.GetUDPHandlerForFlow
	stack.GetTCPHandlerForFlow = func(from, to netip.AddrPort) (func(net.Conn), bool) {
		if isOwn(to) {
			return tcp(from, to)
		}
		return nil, false
	}
	stack.GetUDPHandlerForFlow = func(from, to netip.AddrPort) (func(nettype.ConnPacketConn), bool) {
		if isOwn(to) {
			return udp(from, to)
		}
		return nil, false
	}
	client, err := n.server.LocalClient()
	if err != nil {
		return err
	}
	_, err = client.EditPrefs(ctx, &ipn.MaskedPrefs{
		Prefs:              ipn.Prefs{AdvertiseRoutes: n.options.AdvertiseRoutes, RouteAll: n.options.AcceptRoutes},
		AdvertiseRoutesSet: true,
		RouteAllSet:        true,
	})
	return err
}

// peerStatus is what a node says about one peer.
type peerStatus struct {
	Name      string       `json:"name"`
	HostName  string       `json:"hostName"`
	NodeKey   string       `json:"nodeKey"`
	Addresses []netip.Addr `json:"addresses"`
	Endpoint  string       `json:"endpoint"` // current direct address, "" if none
	Relay     string       `json:"relay"`    // home region code
	Online    bool         `json:"online"`
	Active    bool         `json:"active"`
	Expired   bool         `json:"expired"`
	RxBytes   int64        `json:"rxBytes"`
	TxBytes   int64        `json:"txBytes"`
	Handshake time.Time    `json:"handshake"`
	PeerAPI   []string     `json:"peerAPI"`
}

func statusOf(s *ipnstate.PeerStatus) peerStatus {
	return peerStatus{
		Name: strings.TrimSuffix(s.DNSName, "."), HostName: s.HostName, NodeKey: s.PublicKey.String(), Addresses: s.TailscaleIPs, Endpoint: s.CurAddr, Relay: s.Relay,
		Online: s.Online, Active: s.Active, Expired: s.Expired, RxBytes: s.RxBytes, TxBytes: s.TxBytes, Handshake: s.LastHandshake,
		PeerAPI: s.PeerAPIURL,
	}
}

func (n *node) status(ctx context.Context) (any, error) {
	client, err := n.server.LocalClient()
	if err != nil {
		return nil, err
	}
	s, err := client.Status(ctx)
	if err != nil {
		return nil, err
	}
	peers := []peerStatus{}
	for _, p := range s.Peer {
		peers = append(peers, statusOf(p))
	}
	return map[string]any{"state": s.BackendState, "health": s.Health, "self": statusOf(s.Self), "peers": peers}, nil
}

// ping of one kind; the answer is the peer's word, not ours.
func (ns *nodes) ping(ctx context.Context, a struct {
	Node string     `json:"node"`
	To   netip.Addr `json:"to"`
	Kind string     `json:"kind"` // "disco", "TSMP", "ICMP", "peerapi"
}) (any, error) {
	n, err := ns.get(a.Node)
	if err != nil {
		return nil, err
	}
	client, err := n.server.LocalClient()
	if err != nil {
		return nil, err
	}
	r, err := client.Ping(ctx, a.To, tailcfg.PingType(a.Kind))
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
			return nil, fmt.Errorf("timeout: no answer to a %s ping of %v", a.Kind, a.To)
		}
		return nil, err
	}
	if r.Err != "" {
		return nil, errors.New(r.Err)
	}
	return map[string]any{
		"latencyMS": r.LatencySeconds * 1000, "endpoint": r.Endpoint, "region": r.DERPRegionID, "nodeName": r.NodeName,
		"peerAPIPort": r.PeerAPIPort, "peerAPIURL": r.PeerAPIURL,
	}, nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// httpClient fetches over the tailnet.
func (n *node) httpClient() *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: n.server.Dial, DisableKeepAlives: true}}
}
