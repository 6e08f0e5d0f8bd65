package main

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
)

// registerProxy: an HTTP proxy on the loopback of this namespace that dials by a tsnet node, with the names that node knows. A browser
// that uses it sees what one on that machine sees.
func registerProxy(p *program, ns *nodes) {
	command(p, "node.proxy", func(_ context.Context, a nodeArgument) (any, error) {
		n, err := ns.get(a.Node)
		if err != nil {
			return nil, err
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		logger := log.New(io.Discard, "", 0)
		if p.verbose {
			logger = log.Default()
		}
		go http.Serve(l, &httputil.ReverseProxy{
			// The request is for the host that its line names, and stays as it is.
			Rewrite:       func(r *httputil.ProxyRequest) { r.Out.Host = r.In.Host },
			Transport:     &http.Transport{DialContext: n.server.Dial, DisableKeepAlives: true, DisableCompression: true},
			FlushInterval: -1,
			ErrorLog:      logger,
		})
		return map[string]string{"address": l.Addr().String()}, nil
	})
}
