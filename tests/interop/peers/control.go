package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tailscale.com/tailcfg"
	"tailscale.com/tstest/integration/testcontrol"
	"tailscale.com/types/key"
)

// control is a testcontrol server on a listener of ours, so that its connections can be cut and it can stop and come back
// with its memory intact.
//
// Who writes the map stream is an option: "stock" is testcontrol itself; "own" and "headscale" are director.go, which
// takes what testcontrol would say and lets a test change it.
type control struct {
	p        *program
	mu       sync.Mutex
	options  controlOptions
	server   *testcontrol.Server
	director *director
	lock     *keyAuthority
	ln       *cuttable
	http     *http.Server
	address  string
	url      string
	answers  map[string]chan pingAnswer // of ping requests, by token

	registrations atomic.Int64
	rejections    atomic.Int64 // registrations still to be refused with 429
	retryAfter    atomic.Value // string
}

type controlOptions struct {
	Address        string             `json:"address"`
	Port           int                `json:"port"`
	Stream         string             `json:"stream"`      // "stock" (default), "own", "headscale"
	Certificate    string             `json:"certificate"` // set: HTTPS, with a kind of certificates.go
	RequireAuthKey string             `json:"requireAuthKey"`
	RequireAuth    bool               `json:"requireAuth"` // interactive login
	MagicDNSDomain string             `json:"magicDNSDomain"`
	DNSConfig      *tailcfg.DNSConfig `json:"dnsConfig"`
	DERPMap        *tailcfg.DERPMap   `json:"derpMap"`
	SameUser       bool               `json:"sameUser"`
	AllOnline      bool               `json:"allOnline"`
}

func newControl(p *program) *control {
	c := &control{p: p, answers: map[string]chan pingAnswer{}}
	c.lock = &keyAuthority{c: c}
	command(p, "control.start", func(_ context.Context, o controlOptions) (any, error) { return c.start(o) })
	command(p, "control.stop", func(context.Context, none) (any, error) { c.stop(); return none{}, nil })
	command(p, "control.restart", func(context.Context, none) (any, error) {
		c.stop()
		return none{}, c.listen()
	})
	command(p, "control.rekey", func(context.Context, none) (any, error) {
		c.stop()
		c.makeServer()
		return none{}, c.listen()
	})
	command(p, "control.cut", func(context.Context, none) (any, error) { return map[string]int{"cut": c.ln.cut()}, nil })
	command(p, "control.mute", func(_ context.Context, a silence) (any, error) {
		return map[string]int{"connections": c.ln.mute(a)}, nil
	})
	command(p, "control.fault", func(_ context.Context, f fault) (any, error) { c.ln.setFault(f); return none{}, nil })
	command(p, "control.set", c.set)
	command(p, "control.rateLimit", func(_ context.Context, a struct {
		Times      int64  `json:"times"`
		RetryAfter string `json:"retryAfter"`
	}) (any, error) {
		c.retryAfter.Store(a.RetryAfter)
		c.rejections.Store(a.Times)
		return none{}, nil
	})
	command(p, "control.state", func(context.Context, none) (any, error) {
		return map[string]int64{"registrations": c.registrations.Load(), "requests": int64(c.server.InServeMap())}, nil
	})
	registerControlNodes(p, c)
	registerControlAsks(p, c)
	registerDirector(p, c)
	registerLock(p, c)
	registerChurn(p, c)
	return c
}

func (c *control) start(o controlOptions) (any, error) {
	if c.server != nil {
		return nil, errors.New("control runs already")
	}
	c.options = o
	c.address = net.JoinHostPort(o.Address, strconv.Itoa(o.Port))
	c.makeServer()
	if err := c.listen(); err != nil {
		return nil, err
	}
	return map[string]string{"url": c.url}, nil
}

func (c *control) makeServer() {
	o := c.options
	c.server = &testcontrol.Server{
		Logf:             c.p.logf("control"),
		DERPMap:          o.DERPMap,
		RequireAuth:      o.RequireAuth,
		RequireAuthKey:   o.RequireAuthKey,
		MagicDNSDomain:   o.MagicDNSDomain,
		DNSConfig:        o.DNSConfig,
		AllNodesSameUser: o.SameUser,
		AllOnline:        o.AllOnline,
		ExplicitBaseURL:  c.url,
	}
	c.server.MaybeRateLimitRegister = func() (bool, string, string) {
		c.registrations.Add(1)
		if c.rejections.Add(-1) < 0 {
			c.rejections.Store(0)
			return false, "", ""
		}
		after, _ := c.retryAfter.Load().(string)
		return true, after, "too many requests"
	}
	c.lock.install(c.server)
	c.director = nil
	if o.Stream != "" && o.Stream != "stock" {
		c.director = newDirector(c, o.Stream == "headscale")
		c.server.AltMapStream = c.director.serve
	}
}

func (c *control) listen() error {
	ln, err := listenCuttable(c.address)
	if err != nil {
		return err
	}
	c.ln, c.address = ln, ln.Addr().String()
	scheme, listener := "http", net.Listener(ln)
	if c.options.Certificate != "" {
		issued, err := c.p.authority.issue(c.options.Certificate, c.options.Address)
		if err != nil {
			return err
		}
		scheme = "https"
		listener = tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{issued.certificate}})
	}
	c.url = scheme + "://" + c.address
	c.server.ExplicitBaseURL = c.url
	server := c.server
	mux := http.NewServeMux()
	mux.Handle("/", server)
	mux.HandleFunc("/interop/answer/", c.serveAnswer)
	if c.options.Stream == "headscale" {
		mux.HandleFunc("/key", func(w http.ResponseWriter, r *http.Request) {
			if r.FormValue("v") == "" {
				http.Error(w, "capability version must be set", http.StatusBadRequest)
				return
			}
			server.ServeHTTP(w, r)
		})
	}
	c.http = &http.Server{
		Handler:      mux,
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
		ErrorLog:     log.New(io.Discard, "", 0),
	}
	go c.http.Serve(listener)
	return nil
}

func (c *control) stop() {
	c.http.Close()
	c.ln.Close()
	c.ln.cut()
}

// set changes options while the server runs. Absent members stay as they are.
func (c *control) set(_ context.Context, a struct {
	RequireAuthKey *string             `json:"requireAuthKey"`
	RequireAuth    *bool               `json:"requireAuth"`
	DERPMap        *tailcfg.DERPMap    `json:"derpMap"`
	DNSConfig      *tailcfg.DNSConfig  `json:"dnsConfig"`
	AddRecords     []tailcfg.DNSRecord `json:"addRecords"`
	CompleteAuth   string              `json:"completeAuth"` // a login URL that was visited
	AppCaps        tailcfg.PeerCapMap  `json:"appCaps"`
	Defaults       *tailcfg.NodeCapMap `json:"defaultNodeCapabilities"`
}) (any, error) {
	if a.RequireAuthKey != nil {
		c.server.RequireAuthKey, c.options.RequireAuthKey = *a.RequireAuthKey, *a.RequireAuthKey
	}
	if a.RequireAuth != nil {
		c.server.RequireAuth, c.options.RequireAuth = *a.RequireAuth, *a.RequireAuth
	}
	if a.DERPMap != nil {
		c.server.DERPMap, c.options.DERPMap = a.DERPMap, a.DERPMap
	}
	if a.DNSConfig != nil {
		c.server.DNSConfig = a.DNSConfig
	}
	if a.Defaults != nil {
		c.server.DefaultNodeCapabilities = a.Defaults
	}
	if a.AppCaps != nil {
		c.server.SetGlobalAppCaps(a.AppCaps)
	}
	if a.CompleteAuth != "" && !c.server.CompleteAuth(a.CompleteAuth) {
		return nil, fmt.Errorf("no login is waiting at %s", a.CompleteAuth)
	}
	c.server.AddDNSRecords(a.AddRecords...) // also tells every node
	c.wake()
	return none{}, nil
}

// wake makes the director's streams say the current state. testcontrol's own streams are woken by its methods.
func (c *control) wake() {
	if c.director != nil {
		c.director.wakeAll()
	}
}

// find returns a copy of the node with this node key ("nodekey:...") or, latest first, with this hostname.
func (c *control) find(name string) (*tailcfg.Node, error) {
	if c.server == nil {
		return nil, errors.New("control does not run")
	}
	if strings.HasPrefix(name, "nodekey:") {
		var k key.NodePublic
		if err := k.UnmarshalText([]byte(name)); err != nil {
			return nil, err
		}
		if n := c.server.Node(k); n != nil {
			return n, nil
		}
		return nil, fmt.Errorf("control knows no %s", name)
	}
	var found *tailcfg.Node
	for _, n := range c.server.AllNodes() {
		if n.Hostinfo.Valid() && n.Hostinfo.Hostname() == name && (found == nil || n.ID > found.ID) {
			found = n
		}
	}
	if found == nil {
		return nil, fmt.Errorf("control knows no node %q", name)
	}
	return found, nil
}

// nodeArgument names a node by hostname or node key.
type nodeArgument struct {
	Node string `json:"node"`
}

// registerControlNodes: what control knows of nodes, and changes to it.
func registerControlNodes(p *program, c *control) {
	command(p, "control.nodes", func(context.Context, none) (any, error) {
		all := []*tailcfg.Node{}
		if c.server != nil {
			for _, n := range c.server.AllNodes() {
				if n.ID < firstFakeID {
					all = append(all, n)
				}
			}
		}
		return all, nil
	})
	command(p, "control.node", func(_ context.Context, a nodeArgument) (any, error) { return c.find(a.Node) })
	command(p, "control.edit", func(_ context.Context, a struct {
		Node   string          `json:"node"`
		Fields json.RawMessage `json:"fields"` // members of tailcfg.Node to change
	}) (any, error) {
		n, err := c.find(a.Node)
		if err != nil {
			return nil, err
		}
		if err := strictUnmarshal(a.Fields, n); err != nil {
			return nil, err
		}
		c.server.UpdateNode(n)
		c.wake()
		return n, nil
	})
	command(p, "control.capMap", func(_ context.Context, a struct {
		Node   string             `json:"node"`
		CapMap tailcfg.NodeCapMap `json:"capMap"`
	}) (any, error) {
		n, err := c.find(a.Node)
		if err != nil {
			return nil, err
		}
		c.server.SetNodeCapMap(n.Key, a.CapMap)
		c.wake()
		return none{}, nil
	})
	command(p, "control.routes", func(_ context.Context, a struct {
		Node   string         `json:"node"`
		Routes []netip.Prefix `json:"routes"`
	}) (any, error) {
		n, err := c.find(a.Node)
		if err != nil {
			return nil, err
		}
		c.server.SetSubnetRoutes(n.Key, a.Routes)
		c.wake()
		return none{}, nil
	})
	command(p, "control.jail", func(_ context.Context, a struct {
		Node   string `json:"node"`
		Peer   string `json:"peer"`
		Jailed bool   `json:"jailed"`
	}) (any, error) {
		n, err := c.find(a.Node)
		if err != nil {
			return nil, err
		}
		peer, err := c.find(a.Peer)
		if err != nil {
			return nil, err
		}
		c.server.SetJailed(n.Key, peer.Key, a.Jailed)
		c.wake()
		return none{}, nil
	})
	command(p, "control.expire", func(_ context.Context, a struct {
		Node string    `json:"node"`
		At   time.Time `json:"at"` // zero: no expiry
	}) (any, error) {
		n, err := c.find(a.Node)
		if err != nil {
			return nil, err
		}
		n.KeyExpiry = a.At
		c.server.UpdateNode(n)
		c.wake()
		return none{}, nil
	})
	command(p, "control.expireAll", func(_ context.Context, a struct {
		Expired bool `json:"expired"`
	}) (any, error) {
		c.server.SetExpireAllNodes(a.Expired)
		c.wake()
		return none{}, nil
	})
	command(p, "control.delete", func(_ context.Context, a nodeArgument) (any, error) {
		n, err := c.find(a.Node)
		if err != nil {
			return nil, err
		}
		deleteNode(c.server, n)
		c.wake()
		return none{}, nil
	})
	command(p, "control.fakes", func(_ context.Context, a struct {
		Count int `json:"count"`
	}) (any, error) {
		size := addFakes(c.server, a.Count)
		c.wake()
		return map[string]int{"bytesAPeer": size}, nil
	})
	command(p, "control.waitPoll", func(ctx context.Context, a nodeArgument) (any, error) {
		n, err := c.find(a.Node)
		if err != nil {
			return nil, err
		}
		return none{}, c.server.AwaitNodeInMapRequest(ctx, n.Key)
	})
}
