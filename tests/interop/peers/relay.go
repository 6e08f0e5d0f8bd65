package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"

	"tailscale.com/derp/derpserver"
	"tailscale.com/net/stun"
	"tailscale.com/tailcfg"
	"tailscale.com/types/key"
)

// relays are the DERP servers of this program, each with its STUN server, by region.
type relays struct {
	p  *program
	mu sync.Mutex
	by map[int]*relay
}

// relay is one DERP server over TLS. It sends its meta certificate after the chain, as the stock server does.
type relay struct {
	p       *program
	options relayOptions
	key     key.NodePrivate
	issued  *issued
	address string // of the TCP listener, kept over a restart
	server  *derpserver.Server
	http    *http.Server
	ln      *cuttable
	stun    *stunServer
}

type relayOptions struct {
	Region      int    `json:"region"`
	Address     string `json:"address"`     // IP to listen on
	Address6    string `json:"address6"`    // also reachable at; then it listens on every address
	Port        int    `json:"port"`        // 0: any
	HostName    string `json:"hostName"`    // in the DERP map; default: the address itself
	Certificate string `json:"certificate"` // a kind of certificates.go; default "ca"
	NoMeta      bool   `json:"noMeta"`      // leave the meta certificate out
	NoSTUN      bool   `json:"noSTUN"`
	NoHome      bool   `json:"noHome"` // NoMeasureNoHome of the region
}

type regionArgument struct {
	Region int `json:"region"`
}

func newRelays(p *program) *relays {
	rs := &relays{p: p, by: map[int]*relay{}}
	command(p, "relay.start", func(_ context.Context, o relayOptions) (any, error) { return rs.start(o) })
	command(p, "relay.stop", func(_ context.Context, a regionArgument) (any, error) {
		r, err := rs.get(a.Region)
		if err != nil {
			return nil, err
		}
		r.stop()
		return none{}, nil
	})
	command(p, "relay.restart", func(_ context.Context, a regionArgument) (any, error) {
		r, err := rs.get(a.Region)
		if err != nil {
			return nil, err
		}
		r.stop()
		return none{}, r.listen()
	})
	command(p, "relay.cut", func(_ context.Context, a regionArgument) (any, error) {
		r, err := rs.get(a.Region)
		if err != nil {
			return nil, err
		}
		return map[string]int{"cut": r.ln.cut()}, nil
	})
	command(p, "relay.fault", func(_ context.Context, a struct {
		Region int   `json:"region"`
		Fault  fault `json:"fault"`
	}) (any, error) {
		r, err := rs.get(a.Region)
		if err != nil {
			return nil, err
		}
		r.ln.setFault(a.Fault)
		return none{}, nil
	})
	command(p, "relay.mute", func(_ context.Context, a struct {
		Region int `json:"region"`
		silence
	}) (any, error) {
		r, err := rs.get(a.Region)
		if err != nil {
			return nil, err
		}
		return map[string]int{"connections": r.ln.mute(a.silence)}, nil
	})
	command(p, "relay.connected", func(_ context.Context, a struct {
		Region  int            `json:"region"`
		NodeKey key.NodePublic `json:"nodeKey"`
	}) (any, error) {
		r, err := rs.get(a.Region)
		if err != nil {
			return nil, err
		}
		return map[string]bool{"connected": r.server.IsClientConnectedForTest(a.NodeKey)}, nil
	})
	command(p, "stun.state", func(_ context.Context, a struct {
		Region int   `json:"region"`
		Mute   *bool `json:"mute"` // set: from now on answers nothing, or answers again
	}) (any, error) {
		r, err := rs.get(a.Region)
		if err != nil {
			return nil, err
		}
		if r.stun == nil {
			return nil, fmt.Errorf("region %d has no STUN server", a.Region)
		}
		if a.Mute != nil {
			r.stun.mute.Store(*a.Mute)
		}
		return map[string]int64{"requests4": r.stun.requests4.Load(), "requests6": r.stun.requests6.Load()}, nil
	})
	return rs
}

func (rs *relays) get(region int) (*relay, error) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	r, ok := rs.by[region]
	if !ok {
		return nil, fmt.Errorf("no relay in region %d", region)
	}
	return r, nil
}

// start returns the region as it belongs in a DERP map.
func (rs *relays) start(o relayOptions) (*tailcfg.DERPRegion, error) {
	ip, err := netip.ParseAddr(o.Address)
	if err != nil {
		return nil, err
	}
	if o.HostName == "" {
		o.HostName = o.Address
	}
	certificate, err := rs.p.authority.issue(o.Certificate, o.HostName)
	if err != nil {
		return nil, err
	}
	listenOn := o.Address
	if o.Address6 != "" {
		listenOn = "::"
	}
	r := &relay{p: rs.p, options: o, key: key.NewNode(), issued: certificate, address: net.JoinHostPort(listenOn, strconv.Itoa(o.Port))}
	if err := r.listen(); err != nil {
		return nil, err
	}
	r.address = r.ln.Addr().String()
	node := &tailcfg.DERPNode{
		Name:     fmt.Sprintf("%da", o.Region),
		RegionID: o.Region,
		HostName: o.HostName,
		CertName: certificate.certName,
		IPv4:     "none",
		IPv6:     "none",
		STUNPort: -1,
		DERPPort: r.ln.Addr().(*net.TCPAddr).Port,
	}
	if ip.Is4() {
		node.IPv4 = o.Address
	} else {
		node.IPv6 = o.Address
	}
	if o.Address6 != "" {
		node.IPv6 = o.Address6
	}
	if !o.NoSTUN {
		r.stun, err = newSTUNServer(listenOn)
		if err != nil {
			return nil, err
		}
		node.STUNPort = r.stun.port
	}
	rs.mu.Lock()
	rs.by[o.Region] = r
	rs.mu.Unlock()
	return &tailcfg.DERPRegion{
		RegionID:        o.Region,
		RegionCode:      fmt.Sprintf("r%d", o.Region),
		RegionName:      fmt.Sprintf("Region %d", o.Region),
		NoMeasureNoHome: o.NoHome,
		Nodes:           []*tailcfg.DERPNode{node},
	}, nil
}

func (r *relay) listen() error {
	ln, err := listenCuttable(r.address)
	if err != nil {
		return err
	}
	logf := r.p.logf("derp " + strconv.Itoa(r.options.Region))
	r.ln = ln
	r.server = derpserver.New(r.key, logf)
	config := &tls.Config{
		MinVersion: tls.VersionTLS12,
		// A fresh copy each time: the meta certificate is appended to what this returns.
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			c := r.issued.certificate
			c.Certificate = append([][]byte(nil), c.Certificate...)
			return &c, nil
		},
	}
	if !r.options.NoMeta {
		r.server.ModifyTLSConfigToAddMetaCert(config)
	}
	mux := http.NewServeMux()
	mux.Handle("/derp", derpserver.Handler(r.server))
	mux.HandleFunc("/derp/probe", derpserver.ProbeHandler)
	mux.HandleFunc("/derp/latency-check", derpserver.ProbeHandler)
	mux.HandleFunc("/generate_204", derpserver.ServeNoContent)
	r.http = &http.Server{
		Handler: mux,
		// HTTP/1.1 only: the upgrade to DERP needs it.
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
		ErrorLog:     log.New(io.Discard, "", 0),
	}
	go r.http.Serve(tls.NewListener(ln, config))
	return nil
}

func (r *relay) stop() {
	r.http.Close()
	r.ln.Close()
	r.server.Close()
	r.ln.cut()
}

// stunServer answers binding requests and counts them.
type stunServer struct {
	port                 int
	mute                 atomic.Bool
	requests4, requests6 atomic.Int64
}

func newSTUNServer(address string) (*stunServer, error) {
	pc, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(address)})
	if err != nil {
		return nil, err
	}
	s := &stunServer{port: pc.LocalAddr().(*net.UDPAddr).Port}
	go func() {
		buffer := make([]byte, 2048)
		for {
			n, source, err := pc.ReadFromUDPAddrPort(buffer)
			if err != nil {
				return
			}
			txID, err := stun.ParseBindingRequest(buffer[:n])
			if err != nil || s.mute.Load() {
				continue
			}
			source = netip.AddrPortFrom(source.Addr().Unmap(), source.Port())
			if source.Addr().Is4() {
				s.requests4.Add(1)
			} else {
				s.requests6.Add(1)
			}
			pc.WriteToUDPAddrPort(stun.Response(txID, source), source)
		}
	}()
	return s, nil
}
