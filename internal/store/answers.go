package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"sluice/internal/replay"
)

var _ replay.Keeper = (*Store)(nil)

const answerColumns = "key_name, idem_key, hash, call_id, created_us, expires_us, status, stream, bytes, header, body"

// ClaimAnswer makes a key a claim's; see replay.Keeper. What has expired by now can be taken over.
func (s *Store) ClaimAnswer(ctx context.Context, c *replay.Claim, now time.Time) (*replay.Answer, error) {
	verb := "claim idempotency key of call " + c.Call
	if c.Key == "" || c.Key != clean(c.Key, maxText) {
		return nil, fmt.Errorf("%s: it must be of 1 to %d bytes of text", verb, maxText)
	}
	const tries = 3 // what stands there may be given up between the two statements
	for range tries {
		n, err := s.count(ctx, verb, "INSERT INTO idempotent_answers ("+answerColumns+") VALUES (?, ?, ?, ?, ?, ?, 0, 0, 0, ?, ?)"+
			" ON CONFLICT (key_name, idem_key) DO UPDATE SET hash = excluded.hash, call_id = excluded.call_id, created_us = excluded.created_us,"+
			" expires_us = excluded.expires_us, status = 0, stream = 0, bytes = 0, header = excluded.header, body = excluded.body"+
			" WHERE idempotent_answers.expires_us <= ?",
			c.Owner, c.Key, c.Hash, c.Call, micros(now), micros(c.Until), []byte{}, []byte{}, micros(now))
		if err != nil || n == 1 {
			return nil, err
		}
		held, err := s.answer(ctx, c.Owner, c.Key)
		if err != nil || held != nil {
			return held, err
		}
	}
	return nil, s.explain(verb, errors.New("other calls claim and release it again and again"))
}

// answer returns what stands at a key; nil if there is nothing.
func (s *Store) answer(ctx context.Context, owner, key string) (*replay.Answer, error) {
	const verb = "read answer of an idempotency key"
	var a replay.Answer
	var created, expires, bytes int64
	var stream int
	var header []byte
	// The connection that writes: it sees what the claim that failed has seen.
	err := s.write.QueryRowContext(ctx, s.dialect.rebind("SELECT "+answerColumns+" FROM idempotent_answers WHERE key_name = ? AND idem_key = ?"), owner, key).
		Scan(&a.Owner, &a.Key, &a.Hash, &a.Call, &created, &expires, &a.Status, &stream, &bytes, &header, &a.Body)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, s.explain(verb, err)
	}
	a.Created, a.Expires, a.Stream = fromMicros(created), fromMicros(expires), stream == 1
	if len(header) > 0 {
		if err := json.Unmarshal(header, &a.Header); err != nil {
			return nil, s.explain(verb, err)
		}
	}
	return &a, nil
}

// RenewAnswer makes a claim hold longer; see replay.Keeper.
func (s *Store) RenewAnswer(ctx context.Context, c *replay.Claim) error {
	n, err := s.count(ctx, "renew claim of call "+c.Call, "UPDATE idempotent_answers SET expires_us = ? WHERE key_name = ? AND idem_key = ? AND call_id = ? AND status = 0",
		micros(c.Until), c.Owner, c.Key, c.Call)
	return lost(n, err)
}

// KeepAnswer stores an answer in the place of its claim; see replay.Keeper.
func (s *Store) KeepAnswer(ctx context.Context, a *replay.Answer) error {
	verb := "store answer of call " + a.Call
	header, err := json.Marshal(a.Header)
	if err != nil {
		return s.explain(verb, err)
	}
	stream, body := 0, a.Body
	if a.Stream {
		stream = 1
	}
	if body == nil {
		body = []byte{}
	}
	n, err := s.count(ctx, verb, "UPDATE idempotent_answers SET expires_us = ?, created_us = ?, status = ?, stream = ?, bytes = ?, header = ?, body = ?"+
		" WHERE key_name = ? AND idem_key = ? AND call_id = ? AND status = 0",
		micros(a.Expires), micros(a.Created), a.Status, stream, len(header)+len(body), header, body, a.Owner, a.Key, a.Call)
	return lost(n, err)
}

func lost(changed int64, err error) error {
	if err == nil && changed == 0 {
		return replay.ErrLost
	}
	return err
}

// ReleaseAnswer gives a claim up; see replay.Keeper.
func (s *Store) ReleaseAnswer(ctx context.Context, owner, key, call string) error {
	_, err := s.count(ctx, "release claim of call "+call, "DELETE FROM idempotent_answers WHERE key_name = ? AND idem_key = ? AND call_id = ? AND status = 0", owner, key, call)
	return err
}

// CleanAnswers deletes claims and answers that have expired by now, and then the oldest answers until the others take maxBytes at most. It
// returns how many it has deleted.
func (s *Store) CleanAnswers(ctx context.Context, now time.Time, maxBytes int64) (deleted int64, err error) {
	n, err := s.deleteAnswers(ctx, "SELECT key_name, idem_key FROM idempotent_answers WHERE expires_us <= ? ORDER BY expires_us LIMIT ?", micros(now), cleanBatch)
	if err != nil {
		return n, err
	}
	// A row goes if those that came after it, and itself, take more than there is room for. Claims take none, and stay.
	m, err := s.deleteAnswers(ctx, "SELECT key_name, idem_key FROM (SELECT key_name, idem_key, created_us, status,"+
		" SUM(bytes) OVER (ORDER BY created_us DESC, key_name DESC, idem_key DESC ROWS UNBOUNDED PRECEDING) AS total FROM idempotent_answers) AS sized"+
		" WHERE total > ? AND status > 0 ORDER BY created_us LIMIT ?", maxBytes, cleanBatch)
	return n + m, err
}

// deleteAnswers deletes the rows that query picks, until it picks none; its last argument is the limit of one batch.
func (s *Store) deleteAnswers(ctx context.Context, query string, args ...any) (deleted int64, err error) {
	for {
		n, err := s.count(ctx, "clean up answers of idempotency keys", "DELETE FROM idempotent_answers WHERE (key_name, idem_key) IN ("+query+")", args...)
		deleted += n
		if err != nil || n < cleanBatch {
			return deleted, err
		}
	}
}

// count runs a statement and returns how many rows it has changed.
func (s *Store) count(ctx context.Context, verb, query string, args ...any) (int64, error) {
	res, err := s.write.ExecContext(ctx, s.dialect.rebind(query), args...)
	if err != nil {
		return 0, s.explain(verb, err)
	}
	n, err := res.RowsAffected()
	if err != nil {
		return 0, s.explain(verb, err)
	}
	return n, nil
}
