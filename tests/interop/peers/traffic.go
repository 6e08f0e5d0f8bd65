package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// dialFunc is tsnet's Dial or the plain one of this namespace.
type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// pattern is random bytes; its prime length makes a lost or repeated block show wherever it happens.
var pattern = func() []byte {
	b := make([]byte, 1_048_573)
	rand.Read(b)
	return b
}()

// registerTraffic: what a tsnet node can be told to send.
func registerTraffic(p *program, ns *nodes) {
	command(p, "node.bulk", func(ctx context.Context, a struct {
		Node  string `json:"node"`
		To    string `json:"to"` // ip:port of an echo or a sink
		Bytes int64  `json:"bytes"`
		Mode  string `json:"mode"` // "echo", "echo-half" or "sink"
	}) (any, error) {
		n, err := ns.get(a.Node)
		if err != nil {
			return nil, err
		}
		return bulk(ctx, n.server.Dial, a.To, a.Bytes, a.Mode)
	})
	command(p, "node.udp", func(ctx context.Context, a struct {
		Node  string `json:"node"`
		To    string `json:"to"`
		Size  int    `json:"size"`
		Count int    `json:"count"`
	}) (any, error) {
		n, err := ns.get(a.Node)
		if err != nil {
			return nil, err
		}
		return udpEcho(ctx, n.server.Dial, a.To, a.Size, max(a.Count, 1))
	})
	command(p, "node.dial", func(ctx context.Context, a struct {
		Node string `json:"node"`
		To   string `json:"to"`
	}) (any, error) {
		n, err := ns.get(a.Node)
		if err != nil {
			return nil, err
		}
		return dialOutcome(ctx, n.server.Dial, a.To)
	})
	command(p, "node.http", func(ctx context.Context, a struct {
		Node   string `json:"node"`
		URL    string `json:"url"`
		Method string `json:"method"` // "": GET
		Bytes  int    `json:"bytes"`  // length of the request's body, of pattern251
	}) (any, error) {
		n, err := ns.get(a.Node)
		if err != nil {
			return nil, err
		}
		began := time.Now()
		sent := pattern251(a.Bytes)
		request, err := http.NewRequestWithContext(ctx, a.Method, a.URL, bytes.NewReader(sent))
		if err != nil {
			return nil, err
		}
		response, err := n.httpClient().Do(request)
		if err != nil {
			return nil, err
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			return nil, err
		}
		return map[string]any{
			"status": response.StatusCode, "lengthBytes": len(body), "body": string(body[:min(len(body), 4096)]),
			"milliseconds": milliseconds(time.Since(began)), "isEcho": bytes.Equal(body, sent), "headers": response.Header,
		}, nil
	})
	command(p, "node.serve", func(_ context.Context, a struct {
		Node  string   `json:"node"`
		Ports []uint16 `json:"ports"` // more TCP echoes
	}) (any, error) {
		n, err := ns.get(a.Node)
		if err != nil {
			return nil, err
		}
		for _, port := range a.Ports {
			if err := n.serveEcho(port); err != nil {
				return nil, err
			}
		}
		return none{}, nil
	})
	command(p, "node.served", func(_ context.Context, a nodeArgument) (any, error) {
		n, err := ns.get(a.Node)
		if err != nil {
			return nil, err
		}
		return map[string]int64{"sunk": n.Sunk.Load(), "echoed": n.Echoed.Load(), "packets": n.Packets.Load()}, nil
	})
}

// bulk sends bytes to an echo and compares what comes back, or to a sink. The time is from the open connection to the last
// byte back (echo) or to the peer's close after our end of stream (sink). With "echo-half" our end of stream follows the last
// byte sent, while much of the echo is still on its way; with "echo" the connection stays open until all is back.
func bulk(ctx context.Context, dial dialFunc, to string, total int64, mode string) (any, error) {
	c, err := dial(ctx, "tcp", to)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()

	echo := mode != "sink"
	began := time.Now()
	sent := make(chan error, 1)
	go func() {
		offset, left := 0, total
		for left > 0 {
			n := min(int64(len(pattern)-offset), left, 128<<10)
			if _, err := c.Write(pattern[offset : offset+int(n)]); err != nil {
				sent <- fmt.Errorf("writing, %d bytes to go: %w", left, err)
				return
			}
			left -= n
			offset = (offset + int(n)) % len(pattern)
		}
		if half, ok := c.(interface{ CloseWrite() error }); ok && mode != "echo" {
			half.CloseWrite()
		}
		sent <- nil
	}()

	received, buffer := int64(0), make([]byte, 256<<10)
	for {
		n, err := c.Read(buffer)
		if echo {
			for got := buffer[:n]; len(got) > 0; {
				offset := int(received % int64(len(pattern)))
				part := min(len(got), len(pattern)-offset)
				if !bytes.Equal(got[:part], pattern[offset:offset+part]) {
					return nil, fmt.Errorf("the echo differs within %d bytes after byte %d", part, received)
				}
				received += int64(part)
				got = got[part:]
			}
		}
		if echo && received >= total || errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("reading after %d of %d bytes: %w", received, total, err)
		}
	}
	if err := <-sent; err != nil {
		return nil, err
	}
	if echo && received != total {
		return nil, fmt.Errorf("%d of %d bytes came back", received, total)
	}
	seconds := time.Since(began).Seconds()
	return map[string]any{"seconds": seconds, "megabitsPerSecond": float64(total) * 8 / seconds / 1e6, "received": received}, nil
}

// udpEcho sends count packets of random bytes, one after the other, each up to three times, and counts those that came back equal.
func udpEcho(ctx context.Context, dial dialFunc, to string, size, count int) (any, error) {
	c, err := dial(ctx, "udp", to)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	received, buffer := 0, make([]byte, 64<<10)
	for i := range count {
		packet := make([]byte, size)
		rand.Read(packet)
		for try := 0; try < 3 && received <= i && ctx.Err() == nil; try++ {
			if _, err := c.Write(packet); err != nil {
				return nil, err
			}
			c.SetReadDeadline(time.Now().Add(time.Second))
			for {
				n, err := c.Read(buffer)
				if err != nil {
					break
				}
				if bytes.Equal(buffer[:n], packet) {
					received = i + 1
					break
				}
			}
		}
	}
	return map[string]int{"received": received}, nil
}

// dialOutcome tells what a TCP connection attempt met: "connected", "refused" or "timeout".
func dialOutcome(ctx context.Context, dial dialFunc, to string) (any, error) {
	began := time.Now()
	c, err := dial(ctx, "tcp", to)
	outcome := "connected"
	switch {
	case err == nil:
		c.Close()
	case ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) || isTimeout(err):
		outcome = "timeout"
	default:
		outcome = "refused"
	}
	text := ""
	if err != nil {
		text = err.Error()
	}
	return map[string]any{"outcome": outcome, "milliseconds": milliseconds(time.Since(began)), "error": text}, nil
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}
