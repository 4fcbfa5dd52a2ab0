/* SPDX-License-Identifier: Apache-2.0 */

/* Words of rivers, boats and weather. */

#include <stdint.h>
#include <stdio.h>
#include <sys/random.h>

#include "engine/container.h"
#include "engine/names.h"

static const char *const adjectives[] = {
	"amber", "ample", "azure", "balmy", "bold", "brave", "breezy", "bright", "brisk", "calm", "clear", "clever", "cosy",
	"crisp", "dapper", "deep", "eager", "early", "easy", "even", "fair", "fleet", "fresh", "gentle", "glad", "golden",
	"grand", "happy", "hardy", "hazy", "humble", "jolly", "keen", "kind", "lively", "loyal", "lucid", "mellow", "merry",
	"mild", "misty", "modest", "neat", "nimble", "noble", "patient", "placid", "plucky", "proud", "quick", "quiet",
	"rapid", "ready", "rosy", "rugged", "serene", "silver", "snug", "sober", "steady", "stout", "sunny", "swift",
	"tidy", "upbeat", "vivid", "warm", "windy", "wise", "zesty",
};

static const char *const nouns[] = {
	"anchor", "barge", "bay", "beacon", "bittern", "boom", "bow", "breeze", "bridge", "broad", "buoy", "canal", "cargo",
	"channel", "compass", "coot", "cove", "creek", "current", "delta", "dinghy", "dock", "eddy", "estuary", "ferry",
	"fen", "fjord", "ford", "gale", "grebe", "halyard", "harbour", "haven", "hawser", "heron", "hull", "islet", "jetty",
	"keel", "kelp", "lagoon", "lantern", "lighter", "lock", "marsh", "mast", "mooring", "oar", "otter", "paddle", "pier",
	"pilot", "port", "prow", "quay", "raft", "reed", "rigging", "ripple", "rudder", "sail", "shoal", "skiff", "sluice",
	"spar", "staithe", "stern", "tern", "tide", "tiller", "towpath", "wake", "weir", "wharf", "wherry",
};

void name_invent(struct engine *e, char out[NAME_TEXT_MAX])
{
	uint16_t dice[3];

	for (unsigned turn = 0;; turn++) {
		if (getrandom(dice, sizeof(dice), 0) != sizeof(dice))
			dice[0] = dice[1] = dice[2] = (uint16_t)(turn * 7919);

		const char *a = adjectives[dice[0] % array_len(adjectives)], *n = nouns[dice[1] % array_len(nouns)];

		if (turn < 4)
			snprintf(out, NAME_TEXT_MAX, "%s_%s", a, n);
		else
			snprintf(out, NAME_TEXT_MAX, "%s_%s%u", a, n, dice[2]);
		if (!container_name_taken(e, out))
			return;
	}
}
