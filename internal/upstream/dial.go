package upstream

import (
	"context"
	"net"
)

// DialWith makes the account connect by dial, for a provider inside this process. Only before the first Send.
func (a *Account) DialWith(dial func(ctx context.Context, network, addr string) (net.Conn, error)) {
	a.tr.DialContext = dial
	if a.plain != nil {
		a.plain.Dial = dial
	}
}
