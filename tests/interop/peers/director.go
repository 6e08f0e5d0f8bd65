package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"tailscale.com/tailcfg"
	"tailscale.com/tstest/integration/testcontrol"
	"tailscale.com/types/key"
	"tailscale.com/util/zstdframe"
)

// director writes the map streams in place of testcontrol's serveMap (AltMapStream), so that a test can change what one
// node is told and keep it changed. Contents come from testcontrol's MapResponse; Noise, HTTP/2 and registration are
// testcontrol's too. With headscale set it follows the habits of protocol/control.md §12.1 as far as the map goes.
type director struct {
	c         *control
	headscale bool

	table     sync.RWMutex // what a message is made of: a change of many nodes is seen whole or not at all
	mu        sync.Mutex
	streams   map[key.NodePublic]*stream
	overrides map[string]json.RawMessage // by hostname: members of MapResponse that replace the composed ones
	held      map[string]bool            // hostnames that get no message at present
}

// stream is one node's open map poll.
type stream struct {
	wake   chan struct{} // capacity 1
	closed chan struct{} // replaced by a newer poll of the same node
	queue  []message     // guarded by director.mu
}

// message is one that a test wants sent. Either response or text.
type message struct {
	response *tailcfg.MapResponse
	text     string
	cutAfter int
}

var errNotOwn = errors.New("this needs a control with stream \"own\" or \"headscale\"")

func newDirector(c *control, headscale bool) *director {
	return &director{
		c: c, headscale: headscale,
		streams:   map[key.NodePublic]*stream{},
		overrides: map[string]json.RawMessage{},
		held:      map[string]bool{},
	}
}

// registerDirector: control.override, control.hold.
func registerDirector(p *program, c *control) {
	command(p, "control.override", func(_ context.Context, a struct {
		Hostname string          `json:"hostname"`
		Response json.RawMessage `json:"response"` // absent: back to what testcontrol says
	}) (any, error) {
		if c.director == nil {
			return nil, errNotOwn
		}
		if len(a.Response) > 0 {
			if err := strictUnmarshal(a.Response, new(tailcfg.MapResponse)); err != nil {
				return nil, err
			}
		}
		c.director.mu.Lock()
		c.director.overrides[a.Hostname] = a.Response
		c.director.mu.Unlock()
		c.wake()
		return none{}, nil
	})
	command(p, "control.hold", func(_ context.Context, a struct {
		Hostname string `json:"hostname"`
		Hold     bool   `json:"hold"`
	}) (any, error) {
		if c.director == nil {
			return nil, errNotOwn
		}
		c.director.mu.Lock()
		c.director.held[a.Hostname] = a.Hold
		c.director.mu.Unlock()
		c.wake()
		return none{}, nil
	})
}

// serve is testcontrol's AltMapStream: it is called for every map request, after the status line 200.
func (d *director) serve(ctx context.Context, w testcontrol.MapStreamWriter, r *tailcfg.MapRequest) {
	node := d.c.server.Node(r.NodeKey)
	if node == nil {
		return
	}
	if !r.Stream {
		if !r.ReadOnly {
			d.update(node, r)
		}
		if !d.headscale {
			w.SendMapMessage(d.compose(node, r))
		}
		return
	}
	if d.headscale {
		d.update(node, r)
	}
	d.stream(ctx, w, r, node.Hostinfo.Hostname())
}

// update stores what a node says about itself and tells the others.
func (d *director) update(node *tailcfg.Node, r *tailcfg.MapRequest) {
	node.DiscoKey = r.DiscoKey
	node.Cap = r.Version
	if len(r.Endpoints) > 0 || !d.headscale {
		node.Endpoints = slices.DeleteFunc(slices.Clone(r.Endpoints), func(e netip.AddrPort) bool {
			return e.Addr().Zone() != "" || e.Addr().Is6() && e.Addr().IsLinkLocalUnicast()
		})
	}
	if r.Hostinfo != nil {
		node.Hostinfo = r.Hostinfo.View()
		if ni := r.Hostinfo.NetInfo; ni != nil && ni.PreferredDERP != 0 {
			node.HomeDERP = ni.PreferredDERP
		}
	}
	d.c.server.UpdateNode(node)
	d.wakeAll()
}

func (d *director) stream(ctx context.Context, w testcontrol.MapStreamWriter, r *tailcfg.MapRequest, hostname string) {
	s := &stream{wake: make(chan struct{}, 1), closed: make(chan struct{})}
	d.mu.Lock()
	if old := d.streams[r.NodeKey]; old != nil {
		close(old.closed)
	}
	d.streams[r.NodeKey] = s
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.streams[r.NodeKey] == s {
			delete(d.streams, r.NodeKey)
		}
		if d.headscale {
			go d.wakeAll() // the others learn that it is offline
		}
	}()
	if d.headscale {
		go d.wakeAll()
	}
	s.poke()

	var known map[tailcfg.NodeID]bool // peers told, for headscale's deltas; nil before the first message
	first := true
	keepAlive := time.NewTicker(50*time.Second + rand.N(8*time.Second))
	defer keepAlive.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.closed:
			return
		case <-keepAlive.C:
			if w.SendMapMessage(&tailcfg.MapResponse{KeepAlive: true}) != nil {
				return
			}
			continue
		case <-s.wake:
		}
		d.mu.Lock()
		held := d.held[hostname]
		var queue []message
		if !first && !held {
			queue, s.queue = s.queue, nil
		} else if !held && len(s.queue) > 0 {
			s.poke() // after the first message of the poll, which has to be complete
		}
		d.mu.Unlock()
		if held {
			continue
		}
		first = false
		for _, m := range queue {
			if !m.write(w) {
				return
			}
		}
		if len(queue) > 0 {
			continue
		}
		node := d.c.server.Node(r.NodeKey)
		if node == nil {
			return
		}
		response := d.compose(node, r)
		if d.headscale {
			known = d.asHeadscale(response, r, known)
		}
		if w.SendMapMessage(response) != nil {
			return
		}
		if d.headscale {
			time.Sleep(800 * time.Millisecond) // it batches changes
		}
	}
}

// compose is testcontrol's MapResponse with the test's changes.
func (d *director) compose(node *tailcfg.Node, r *tailcfg.MapRequest) *tailcfg.MapResponse {
	d.table.RLock()
	response, err := d.c.server.MapResponse(r)
	d.table.RUnlock()
	if err != nil || response == nil {
		return &tailcfg.MapResponse{KeepAlive: true}
	}
	response.TKAInfo = d.c.lock.info()
	d.mu.Lock()
	override := d.overrides[node.Hostinfo.Hostname()]
	d.mu.Unlock()
	if len(override) > 0 {
		var members map[string]json.RawMessage
		json.Unmarshal(override, &members)
		// A slice that is already there would lend its elements to the new one.
		if _, ok := members["PacketFilter"]; ok {
			response.PacketFilter = nil
		}
		if _, ok := members["PacketFilters"]; ok {
			response.PacketFilter = nil
		}
		if _, ok := members["Peers"]; ok {
			response.Peers = nil
		}
		if _, ok := members["DNSConfig"]; ok {
			response.DNSConfig = nil
		}
		json.Unmarshal(override, response)
	}
	return response
}

// asHeadscale turns a complete message into what headscale sends: the first complete, later ones as changes.
func (d *director) asHeadscale(m *tailcfg.MapResponse, r *tailcfg.MapRequest, known map[tailcfg.NodeID]bool) map[tailcfg.NodeID]bool {
	if m.PacketFilters == nil {
		m.PacketFilters = map[string][]tailcfg.FilterRule{"base": m.PacketFilter}
		m.PacketFilter = nil
	}
	m.Domain = strings.Split(strings.TrimPrefix(d.c.url, "http://"), ":")[0]
	m.CollectServices = ""
	told := map[tailcfg.NodeID]bool{}
	d.mu.Lock()
	for _, p := range m.Peers {
		online := d.streams[p.Key] != nil
		p.Online = &online
		p.LastSeen = nil
		if !online {
			now := time.Now()
			p.LastSeen = &now
		}
		p.Cap = r.Version
		told[p.ID] = true
	}
	d.mu.Unlock()
	if known == nil {
		m.Debug = &tailcfg.Debug{DisableLogTail: true}
		return told
	}
	for id := range known {
		if !told[id] {
			m.PeersRemoved = append(m.PeersRemoved, id)
		}
	}
	m.PeersChanged, m.Peers = m.Peers, nil
	m.DERPMap = nil
	return told
}

// send queues a message for a node's stream and reports whether it has one.
func (d *director) send(k key.NodePublic, m message) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.streams[k]
	if s == nil {
		return false
	}
	s.queue = append(s.queue, m)
	s.poke()
	return true
}

// sendAll queues a message for every stream and returns how many there are.
func (d *director) sendAll(m message) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.streams {
		s.queue = append(s.queue, m)
		s.poke()
	}
	return len(d.streams)
}

func (d *director) wakeAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.streams {
		s.poke()
	}
}

func (s *stream) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// write reports whether the stream goes on.
func (m message) write(w testcontrol.MapStreamWriter) bool {
	if m.response != nil {
		return w.SendMapMessage(m.response) == nil
	}
	writer, compress := responseWriter(w)
	body := []byte(m.text)
	if compress {
		body = zstdframe.AppendEncode(nil, body, zstdframe.FastestCompression)
	}
	frame := append(binary.LittleEndian.AppendUint32(nil, uint32(len(body))), body...)
	if m.cutAfter > 0 && m.cutAfter < len(frame) {
		frame = frame[:m.cutAfter]
	}
	_, err := writer.Write(frame)
	writer.(http.Flusher).Flush()
	return err == nil && m.cutAfter == 0
}
