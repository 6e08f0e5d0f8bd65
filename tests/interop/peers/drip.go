package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// dripping is one connection that is never quiet, so that a gap in it can be measured.
type dripping struct {
	dripOptions
	last   chan struct{} // closed when no more is to be sent
	flows  chan struct{} // closed when the first block is back
	ended  chan struct{} // closed when the fields below are set
	blocks int           // that came back
	gap    time.Duration
	failed error
}

type dripOptions struct {
	Node       string `json:"node"`
	Name       string `json:"name"` // of this one among the node's; default ""
	To         string `json:"to"`   // ip:port of an echo
	EveryMS    int    `json:"everyMS"`
	Count      int    `json:"count"`      // of blocks; 0: until node.dripped asks
	BlockBytes int    `json:"blockBytes"` // default 64
	PatienceMS int    `json:"patienceMS"` // a connection that is silent for longer is dead; default one minute
}

// dripName is which of the drips of which node.
type dripName struct {
	Node string `json:"node"`
	Name string `json:"name"`
}

// registerDrip: node.drip starts one and returns when it flows; node.dripped waits for its end, and ends one that has none.
func registerDrip(p *program, ns *nodes) {
	var mu sync.Mutex
	drips := map[dripName]*dripping{}
	command(p, "node.drip", func(ctx context.Context, a dripOptions) (any, error) {
		n, err := ns.get(a.Node)
		if err != nil {
			return nil, err
		}
		c, err := n.server.Dial(ctx, "tcp", a.To)
		if err != nil {
			return nil, err
		}
		if a.BlockBytes == 0 {
			a.BlockBytes = 64
		}
		if a.PatienceMS == 0 {
			a.PatienceMS = 60_000
		}
		d := &dripping{dripOptions: a, last: make(chan struct{}), flows: make(chan struct{}), ended: make(chan struct{})}
		mu.Lock()
		drips[dripName{a.Node, a.Name}] = d
		mu.Unlock()
		go d.run(c)
		select {
		case <-d.flows:
			return none{}, nil
		case <-d.ended:
			return nil, d.failed
		case <-ctx.Done():
			c.Close()
			return nil, ctx.Err()
		}
	})
	command(p, "node.dripped", func(ctx context.Context, a dripName) (any, error) {
		mu.Lock()
		d := drips[a]
		delete(drips, a)
		mu.Unlock()
		if d == nil {
			return nil, errors.New("nothing drips")
		}
		if d.Count == 0 {
			close(d.last)
		}
		select {
		case <-d.ended:
			return map[string]any{"blocks": d.blocks, "longestGapMS": milliseconds(d.gap)}, d.failed
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	})
}

// run sends blocks in a steady pace, compares what comes back, and notes the longest time in which nothing came back.
func (d *dripping) run(c net.Conn) {
	defer close(d.ended)
	defer c.Close()
	type sending struct {
		count int
		err   error
	}
	sent := make(chan sending, 1)
	go func() {
		count, err := d.send(c)
		sent <- sending{count, err}
	}()
	block := make([]byte, d.BlockBytes)
	for {
		began := time.Now()
		c.SetReadDeadline(began.Add(time.Duration(d.PatienceMS) * time.Millisecond))
		_, err := io.ReadFull(c, block)
		if err == io.EOF { // the echo ends its side when we ended ours
			break
		}
		if err != nil {
			d.failed = fmt.Errorf("reading block %d: %w", d.blocks, err)
			return
		}
		if !bytes.Equal(block, d.block(d.blocks)) {
			d.failed = fmt.Errorf("block %d came back as another", d.blocks)
			return
		}
		if d.blocks == 0 {
			close(d.flows)
		} else {
			d.gap = max(d.gap, time.Since(began))
		}
		d.blocks++
	}
	select {
	case s := <-sent:
		if d.failed = s.err; s.err == nil && s.count != d.blocks {
			d.failed = fmt.Errorf("%d of %d blocks came back", d.blocks, s.count)
		}
	default:
		d.failed = fmt.Errorf("the echo ended it after block %d", d.blocks)
	}
}

// send returns how many blocks it sent.
func (d *dripping) send(c net.Conn) (int, error) {
	ticker := time.NewTicker(time.Duration(d.EveryMS) * time.Millisecond)
	defer ticker.Stop()
	for i := 0; ; i++ {
		select {
		case <-d.last:
		case <-ticker.C:
			if d.Count == 0 || i < d.Count {
				if _, err := c.Write(d.block(i)); err != nil {
					return i, fmt.Errorf("writing block %d: %w", i, err)
				}
				continue
			}
		}
		if half, ok := c.(interface{ CloseWrite() error }); ok {
			return i, half.CloseWrite()
		}
		return i, errors.New("the connection cannot end its side alone")
	}
}

// block is another piece of the pattern for each number.
func (d *dripping) block(i int) []byte {
	at := i * d.BlockBytes % (len(pattern) - d.BlockBytes)
	return pattern[at : at+d.BlockBytes]
}
