package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"sluice/internal/auth"
	"sluice/internal/store"
)

// openKeysFunc opens the database that the flags of a command name (--config, --database, --data-dir). The configuration
// is nil if the flags name a database without one; then names and tiers cannot be compared with it.
type openKeysFunc func(cmd *cobra.Command) (*store.Store, *auth.Config, error)

// newKeysCommand makes `sluice keys` with its commands.
func newKeysCommand(open openKeysFunc) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Make, list and revoke the keys of clients",
		Long: `Makes, lists and revokes the keys by which clients call the gateway.

Keys live in the database, as hashes. These commands work while the gateway runs on the same database: a key works as soon
as it is made, and a revoked one stops within about a second. Keys that stand in the configuration file are not touched.`,
		Args: cobra.NoArgs,
	}
	databaseFlags(cmd)
	cmd.AddCommand(newKeysCreateCommand(open), newKeysListCommand(open), newKeysRevokeCommand(open))
	return cmd
}

// databaseFlags adds the flags that openStore reads.
func databaseFlags(cmd *cobra.Command) {
	f := cmd.PersistentFlags()
	f.StringP("config", "c", "", "configuration `file` that names the database")
	f.String("database", "", "`URL` of a PostgreSQL database, in place of the configuration's")
	f.String("data-dir", "", "`directory` of the SQLite database, in place of the configuration's")
}

// withStore opens the database for the time of do.
func withStore(cmd *cobra.Command, open openKeysFunc, do func(s *store.Store, c *auth.Config) error) error {
	cmd.SilenceUsage = true // from here on errors are not of the command line
	s, c, err := open(cmd)
	if err != nil {
		return err
	}
	return errors.Join(do(s, c), s.Close())
}

func newKeysCreateCommand(open openKeysFunc) *cobra.Command {
	var k auth.Key
	var asJSON bool
	var own, users limitFlags
	cmd := &cobra.Command{
		Use:   "create --name NAME",
		Short: "Make a key and show it, this once",
		Long: `Makes a key and writes it to standard output, where it can be caught by a script: KEY=$(sluice keys create --name ci).
Only its hash is kept, so it cannot be shown again.`,
		Example: `  sluice keys create --name team-a --models 'smart,openai/*' --concurrency 8
  sluice keys create --name team-b --tier pro --rpm 300 --budget 50/month --budget 5/day --user-rpm 10`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			made, secret := auth.NewKey(k.Name, time.Now())
			made.Models, made.Tier, made.Weight = k.Models, k.Tier, k.Weight
			var err error
			if made.Limits, err = own.limits(); err != nil {
				return err
			}
			if made.Users.Limits, err = users.limits(); err != nil {
				return err
			}
			return withStore(cmd, open, func(s *store.Store, c *auth.Config) error {
				if err := fitsConfig(made, c); err != nil {
					return fmt.Errorf("create key: %w", err)
				}
				if err := s.CreateKey(cmd.Context(), made); err != nil {
					return err
				}
				if asJSON {
					v := view(made)
					v.Key = secret.Reveal()
					return writeJSON(cmd.OutOrStdout(), v)
				}
				fmt.Fprintln(cmd.OutOrStdout(), secret.Reveal())
				fmt.Fprintf(cmd.ErrOrStderr(), "key %s (%s) is made; keep it now, it cannot be shown again\n", made.Name, made.ID)
				return nil
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&k.Name, "name", "", "what logs, metrics and the ledger call the key (required)")
	f.StringSliceVar(&k.Models, "models", nil, "models that the key may use, by name or pattern with * (all, or those of the tier)")
	own.add(f, "", "")
	users.add(f, "user-", " of each end user")
	f.IntVar(&k.Weight, "weight", 0, "share of capacity among keys that wait (1, or that of the tier)")
	f.StringVar(&k.Tier, "tier", "", "tier of the configuration whose limits hold where the key sets none")
	f.BoolVar(&asJSON, "json", false, "write JSON")
	if err := cmd.MarkFlagRequired("name"); err != nil {
		panic("BUG: " + err.Error())
	}
	return cmd
}

// fitsConfig refuses a key that would clash with the configuration, as far as there is one.
func fitsConfig(k auth.Key, c *auth.Config) error {
	if c == nil {
		return nil
	}
	for _, other := range c.Keys {
		if other.Name == k.Name {
			return fmt.Errorf("%w: %s is in the configuration; in the ledger the two could not be told apart",
				store.ErrNameTaken, k.Name)
		}
	}
	if _, ok := c.Tiers[k.Tier]; k.Tier != "" && !ok {
		names := make([]string, 0, len(c.Tiers))
		for name := range c.Tiers {
			names = append(names, name)
		}
		slices.Sort(names)
		return fmt.Errorf("tier %q is not in `tiers` of the configuration, which has: %s", k.Tier, orNone(names))
	}
	return nil
}

func newKeysListCommand(open openKeysFunc) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the keys of the database, revoked ones included",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withStore(cmd, open, func(s *store.Store, _ *auth.Config) error {
				keys, err := s.Keys(cmd.Context())
				if err != nil {
					return err
				}
				views := make([]keyView, len(keys))
				for i, k := range keys {
					views[i] = view(k)
				}
				if asJSON {
					return writeJSON(cmd.OutOrStdout(), views)
				}
				return writeKeys(cmd.OutOrStdout(), views)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

func newKeysRevokeCommand(open openKeysFunc) *cobra.Command {
	return &cobra.Command{
		Use:   "revoke NAME|ID|PREFIX",
		Short: "Revoke a key for good",
		Long: `Revokes the one key that has the name, the id or the shown prefix given. A running gateway refuses it within about a
second; calls under way are not cut. Its name is free for another key then.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withStore(cmd, open, func(s *store.Store, c *auth.Config) error {
				k, err := s.RevokeKey(cmd.Context(), args[0], time.Now())
				if err != nil {
					return fmt.Errorf("revoke key: %w", explainRevoke(err, args[0], k, c))
				}
				fmt.Fprintf(cmd.OutOrStdout(), "key %s (%s) is revoked\n", k.Name, k.ID)
				return nil
			})
		},
	}
}

// explainRevoke names what was looked for, unless that may be a whole key, and says so if it is in the configuration.
func explainRevoke(err error, ref string, k auth.Key, c *auth.Config) error {
	switch {
	case errors.Is(err, store.ErrRevoked):
		return fmt.Errorf("%w: %s (%s), at %s", err, k.Name, k.ID, k.Revoked.UTC().Format(time.RFC3339))
	case !errors.Is(err, auth.ErrNoKey):
		return err
	case c != nil && slices.ContainsFunc(c.Keys, func(o auth.KeyConfig) bool { return o.Name == ref }):
		return fmt.Errorf("%q is a key of the configuration: remove it there", ref)
	case strings.HasPrefix(ref, "sk-"):
		return fmt.Errorf("%w in the database as the one given", err)
	}
	return fmt.Errorf("%w: %q; `sluice keys list` shows all", err, ref)
}

// keyView is a key as these commands show it.
type keyView struct {
	ID          string      `json:"id"`
	Name        string      `json:"name"`
	Key         string      `json:"key,omitempty"` // only when it is made
	Prefix      string      `json:"prefix"`
	Models      []string    `json:"models"` // empty: all, or those of the tier
	Concurrency int         `json:"concurrency"`
	Tier        string      `json:"tier"`
	Weight      int         `json:"weight"` // 0: that of the tier
	Limits      auth.Limits `json:"limits"` // what is left out is left to the tier
	Users       auth.Limits `json:"users"`  // of each end user
	Created     time.Time   `json:"created"`
	Revoked     *time.Time  `json:"revoked"` // null while the key is good
}

func view(k auth.Key) keyView {
	v := keyView{
		ID: k.ID, Name: k.Name, Prefix: k.Prefix, Models: append([]string{}, k.Models...), Concurrency: k.Concurrency,
		Tier: k.Tier, Weight: k.Weight, Limits: k.Limits, Users: k.Users.Limits, Created: k.Created.UTC(),
	}
	if !k.Revoked.IsZero() {
		at := k.Revoked.UTC()
		v.Revoked = &at
	}
	return v
}

// writeKeys writes a table.
func writeKeys(w io.Writer, keys []keyView) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tID\tKEY\tTIER\tMODELS\tLIMITS\tCREATED\tREVOKED")
	for _, k := range keys {
		revoked := "-"
		if k.Revoked != nil {
			revoked = k.Revoked.Format(time.RFC3339)
		}
		limits := limitTexts(&k.Limits, "")
		if k.Weight > 0 {
			limits = append(limits, fmt.Sprintf("weight=%d", k.Weight))
		}
		limits = append(limits, limitTexts(&k.Users, "user-")...)
		fmt.Fprintf(t, "%s\t%s\t%s...\t%s\t%s\t%s\t%s\t%s\n", k.Name, k.ID, k.Prefix, orNone([]string{k.Tier}), orNone(k.Models),
			orNone(limits), k.Created.Format(time.RFC3339), revoked)
	}
	return t.Flush()
}

// orNone joins names; a dash stands for none.
func orNone(names []string) string {
	if s := strings.Join(names, ","); s != "" {
		return s
	}
	return "-"
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
