package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"

	"tailscale.com/tailcfg"
	"tailscale.com/types/key"
)

// churnCounts is how many invented nodes are added, changed (keys and endpoints), renamed and removed.
type churnCounts struct {
	Add    int    `json:"add"`
	Change int    `json:"change"`
	Rename int    `json:"rename"`
	Remove int    `json:"remove"`
	Seed   uint64 `json:"seed"` // which ones
}

var errFewFakes = errors.New("fewer invented nodes than are to be churned: control.fakes first")

// registerChurn: control.churn changes invented nodes and tells every stream so in one message.
func registerChurn(p *program, c *control) {
	command(p, "control.churn", func(_ context.Context, a churnCounts) (any, error) {
		if c.director == nil {
			return nil, errNotOwn
		}
		c.director.table.Lock()
		defer c.director.table.Unlock()
		response, err := c.churn(a)
		if err != nil {
			return nil, err
		}
		return map[string]int{"streams": c.director.sendAll(message{response: response})}, nil
	})
}

// churn changes testcontrol's table, which later complete messages are made of, and returns the message that says the same.
func (c *control) churn(a churnCounts) (*tailcfg.MapResponse, error) {
	random := rand.New(rand.NewPCG(a.Seed, 0))
	fakes := slices.DeleteFunc(c.server.AllNodes(), func(n *tailcfg.Node) bool { return n.ID < firstFakeID })
	if len(fakes) < a.Change+a.Rename+a.Remove {
		return nil, errFewFakes
	}
	slices.SortFunc(fakes, func(a, b *tailcfg.Node) int { return cmp.Compare(a.ID, b.ID) })
	next := int(fakes[len(fakes)-1].ID) - firstFakeID + 1
	random.Shuffle(len(fakes), func(i, j int) { fakes[i], fakes[j] = fakes[j], fakes[i] })
	take := func(count int) []*tailcfg.Node {
		some := fakes[:count]
		fakes = fakes[count:]
		return some
	}

	response := &tailcfg.MapResponse{}
	for _, n := range take(a.Change) {
		deleteNode(c.server, n) // the table goes by node key
		n.Key, n.DiscoKey = key.NewNode().Public(), key.NewDisco().Public()
		n.Endpoints = []netip.AddrPort{netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(random.Int())}), 41641)}
		response.PeersChanged = append(response.PeersChanged, n)
	}
	for _, n := range take(a.Rename) {
		n.Name = fmt.Sprintf("renamed-%d-%d.fake-control.example.net.", n.ID, random.Uint32())
		response.PeersChanged = append(response.PeersChanged, n)
	}
	for i := range a.Add {
		response.PeersChanged = append(response.PeersChanged, fakeNode(next+i))
	}
	for _, n := range response.PeersChanged {
		c.server.UpdateNode(n)
	}
	for _, n := range take(a.Remove) {
		deleteNode(c.server, n)
		response.PeersRemoved = append(response.PeersRemoved, n.ID)
	}
	return response, nil
}
