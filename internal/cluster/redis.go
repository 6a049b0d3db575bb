package cluster

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"sluice/internal/limit"
	"sluice/internal/llm"
)

//go:embed share.lua
var shareScript string

//go:embed beat.lua
var beatScript string

// call is a replica's sign of life.
type call struct {
	keys  []string
	id    string
	lease time.Duration
	last  string // hint that was read last
	hints [][]byte
}

// conn is the connection to Redis.
type conn struct {
	client      *redis.Client
	share, beat *redis.Script
}

// CheckURL returns what is wrong with the URL of a Redis server, without repeating it: there may be a password in it.
func CheckURL(url string) error {
	if !strings.HasPrefix(url, "redis://") && !strings.HasPrefix(url, "rediss://") {
		return errors.New("must begin with redis:// or rediss://")
	}
	if _, err := redis.ParseURL(url); err != nil {
		return errors.New("is not the URL of a Redis server, such as redis://:password@127.0.0.1:6379/0")
	}
	return nil
}

func options(url llm.Secret) (*redis.Options, error) {
	if err := CheckURL(url.Reveal()); err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	o, err := redis.ParseURL(url.Reveal())
	if err != nil {
		return nil, errors.New("redis: is not the URL of a Redis server") // the error may repeat the URL
	}
	return o, nil
}

// quiet keeps the client from writing to standard error by itself: what it has to say comes back as errors, which are logged once.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

var hush = sync.OnceFunc(func() { redis.SetLogger(quiet{}) })

func dial(url llm.Secret) (*conn, error) {
	o, err := options(url)
	if err != nil {
		return nil, err
	}
	hush()
	o.ClientName = "sluice"
	o.MaxRetries = -1 // the next refresh is the retry
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = askTime, askTime, askTime, askTime
	o.DialerRetries = 1
	o.ContextTimeoutEnabled = true
	o.PoolSize, o.MinIdleConns = 2, 0
	return &conn{client: redis.NewClient(o), share: redis.NewScript(shareScript), beat: redis.NewScript(beatScript)}, nil
}

func (c *conn) close() error {
	if err := c.client.Close(); err != nil && !errors.Is(err, redis.ErrClosed) {
		return err
	}
	return nil
}

// exchange tells and asks everything in one round trip; sets beyond maxBatch take further ones.
func (c *conn) exchange(ctx context.Context, b call, asks []ask) (beat, []reply, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	out, replies, err := c.try(ctx, b, asks)
	if err != nil && redis.HasErrorPrefix(err, "NOSCRIPT") { // a server that is new or was emptied; what has run already may run again
		for _, s := range []*redis.Script{c.share, c.beat} {
			if err := s.Load(ctx, c.client).Err(); err != nil {
				return beat{}, nil, fmt.Errorf("load script: %w", err)
			}
		}
		out, replies, err = c.try(ctx, b, asks)
	}
	return out, replies, err
}

func (c *conn) try(ctx context.Context, b call, asks []ask) (out beat, replies []reply, err error) {
	pipe := c.client.Pipeline()
	args := []any{b.id, b.lease.Milliseconds(), b.last}
	for _, h := range b.hints {
		args = append(args, h)
	}
	first := c.beat.EvalSha(ctx, pipe, b.keys, args...)
	cmds := make([]*redis.Cmd, 0, len(asks))
	for i := range asks {
		cmds = append(cmds, c.share.EvalSha(ctx, pipe, []string{asks[i].key}, asks[i].append(nil)...))
		if pipe.Len() >= maxBatch {
			if _, err := pipe.Exec(ctx); err != nil {
				return beat{}, nil, err
			}
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return beat{}, nil, err
	}
	if out, err = decodeBeat(first.Val()); err != nil {
		return beat{}, nil, err
	}
	replies = make([]reply, len(asks))
	for i, cmd := range cmds {
		if replies[i], err = decodeReply(cmd.Val(), asks[i].dims, len(asks[i].rests)); err != nil {
			return beat{}, nil, fmt.Errorf("set %q: %w", asks[i].part.name, err)
		}
	}
	return out, replies, nil
}

// beat is what the script beat.lua answers.
type beat struct {
	now   time.Time     // the server's
	live  int           // replicas
	age   time.Duration // of what the server knows
	born  int64         // when it began to know anything: another one after it has lost its data
	hints []heard
}

type heard struct{ id, text string }

// errReply says that a script has answered what it never does.
var errReply = errors.New("redis answered a script with something else than numbers: is this another version's?")

const beatHead = 4

// decodeBeat reads the answer of beat.lua.
func decodeBeat(v any) (beat, error) {
	list, ok := v.([]any)
	if !ok || len(list) < beatHead || len(list)%2 != 0 {
		return beat{}, errReply
	}
	n, ok := numbers(list[:beatHead])
	if !ok || n[0] < 0 || n[1] < 0 {
		return beat{}, errReply
	}
	b := beat{born: n[3], now: time.UnixMicro(n[0]), live: int(min(n[1], 1<<20)), age: time.Duration(min(max(n[2], 0), 1<<40)) * time.Millisecond}
	for i := beatHead; i < len(list); i += 2 {
		id, ok := list[i].(string)
		text, good := list[i+1].(string)
		if !ok || !good {
			return beat{}, errReply
		}
		b.hints = append(b.hints, heard{id, text})
	}
	return b, nil
}

// reply is what the script share.lua answers.
type reply struct {
	label        int64 // of the present window; 0 if grants are not bound to windows
	frame        time.Duration
	start        int64 // of the window, in the server's milliseconds
	live         int
	shape        limit.Mode
	blocked      int64 // in the server's milliseconds; 0 for none
	dims         []limit.Dim
	grants       []grant
	rests        []promise // of the limits of more than a minute, in order
	places       int
	placesTarget int
}

// grant is what is given of one dimension.
type grant struct{ add, target, ahead, free int64 }

// promise is what may be spent of a limit without Redis, and how much of it should be kept at most from now on.
type promise struct{ amount, target int64 }

const (
	replyHead = 7
	replyDim  = 4
	replyRest = 2
	replyTail = 2
	maxFrame  = time.Minute
)

// decodeReply reads the answer of share.lua, for a set with so many limits of more than a minute.
func decodeReply(v any, dims []limit.Dim, long int) (reply, error) {
	list, ok := v.([]any)
	if !ok || len(list) != replyHead+replyDim*len(dims)+replyRest*long+replyTail {
		return reply{}, errReply
	}
	n, ok := numbers(list)
	if !ok {
		return reply{}, errReply
	}
	r := reply{live: int(n[1]), frame: time.Duration(n[3]) * time.Millisecond, start: n[4], label: n[5], blocked: n[6], dims: dims}
	if n[2] < 0 || n[2] > int64(limit.Sliding) || n[3] < 0 || n[3] > maxFrame.Milliseconds() || r.label < 0 {
		return reply{}, errReply
	}
	r.shape = limit.Mode(n[2])
	n = n[replyHead:]
	for range dims {
		g := grant{n[0], n[1], n[2], n[3]}
		if g.add < 0 || g.target < 0 || g.ahead < 0 || g.free < 0 {
			return reply{}, errReply
		}
		r.grants = append(r.grants, g)
		n = n[replyDim:]
	}
	for range long {
		if n[0] < 0 || n[1] < 0 {
			return reply{}, errReply
		}
		r.rests = append(r.rests, promise{n[0], n[1]})
		n = n[replyRest:]
	}
	if n[0] < 0 || n[1] < 0 || n[0] > 1<<31 || n[1] > 1<<31 {
		return reply{}, errReply
	}
	r.places, r.placesTarget = int(n[0]), int(n[1])
	return r, nil
}

func numbers(list []any) ([]int64, bool) {
	out := make([]int64, len(list))
	for i, v := range list {
		n, ok := v.(int64)
		if !ok {
			return nil, false
		}
		out[i] = n
	}
	return out, true
}
