/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_EXEC_INT_H
#define ENGINE_EXEC_INT_H

#include <yyjson.h>

#include "engine/exec.h"
#include "engine/stdcopy.h"
#include "lib/loop.h"

struct console;
struct job;
struct stream;

enum exec_state { EXEC_CREATED, EXEC_STARTING, EXEC_RUNNING, EXEC_ENDED };
/* Those that have ended are kept for so long, and so many of them. */
enum { EXECS_MAX = 4096, EXEC_KEPT_S = 300, EXEC_KEPT_MAX = 512 };

/* The client's connection and the process's streams, while both are there. */
struct exec_io {
	struct exec *x;		 /* NULL: of none, see exec_io_refuse() */
	struct stream *s;	 /* owned; NULL once the client has gone */
	int in, out[2];		 /* pipe ends, or in is the terminal; owned; -1 */
	int child[3];		 /* the process's ends until it has them; owned */
	struct console *console; /* owned, until the terminal has arrived */
	struct loop_io io_in, io_out[2];
	struct detach detach;
	char *queue; /* owned: input the process has not taken yet */
	size_t queued;
	bool framed; /* the client gets frames (stdcopy.h), else bytes as they are */
	bool input_ended, over;
};

struct exec {
	struct engine *e;
	char id[65], container[65];
	yyjson_doc *doc; /* owned: what was asked for */
	yyjson_val *config;
	bool tty;
	enum exec_state state;
	int pid, exit_code;
	int64_t ended_ns;
	unsigned rows, cols;
	struct job *job;    /* owned: runtime exec */
	struct exec_io *io; /* owned; NULL when detached */
	bool attached;	    /* it began with streams of the engine's: it does not outlive the engine */
	struct http_req *r; /* of a detached start, until it is answered */
	/* Of an exec of the engine's own (a health check): hears once that it has ended or could not start. */
	void (*over)(struct exec *x, void *arg);
	void *over_arg;
	bool hidden; /* not shown; gone when it is over */
	char *text;  /* owned: its output, up to text_max bytes, instead of a client */
	size_t text_len, text_max;
	struct exec *next;
};

struct execs {
	struct exec *list;
	size_t n;
};

must_check int exec_io_new(struct exec_io **out, struct exec *x);
void exec_io_free(struct exec_io *io);		/* accepts NULL */
must_check int exec_io_run(struct exec_io *io); /* the process has its ends */
/* How the client is spoken to is for its start alone to say, whatever the process runs on. */
void exec_io_attach(struct exec_io *io, struct stream *s, bool framed);
/* Its client hears @message and no more: there is nothing to attach it to. @s is over either way. */
void exec_io_refuse(struct stream *s, bool framed, const char *message);
void exec_io_end(struct exec_io *io,
	const char *message); /* the process has ended; @message goes to the client, may be NULL */

/* Refused with -EUSERS when there are too many. @config: as POST /containers/ID/exec has it, checked; copied. */
must_check int exec_new(struct exec **out, struct container *c, yyjson_val *config);
void exec_console_size(struct exec *x, yyjson_val *size); /* [rows, columns], or anything else: no change */
void exec_emit(struct exec *x, const char *action);
/* Its io, if any, is made. 0, or -errno with *msg; failures later go through exec_start_failed() by themselves. */
must_check int exec_run(struct exec *x, struct container *c, char **msg);
void exec_start_failed(struct exec *x, const char *msg);
/* It has ended, and nothing of it is at work: the client's stream ends, `over` hears. May free @x. */
void exec_over(struct exec *x, const char *message);
void exec_kill(struct exec *x); /* its process alone, whose end follows as always */

/* What the runtime is given, and where it complains; below the container's and the execs' run directories. NULL: out of memory. */
char *exec_process_path(const struct exec *x);
char *exec_log_path(const struct exec *x);

struct exec *exec_find(struct engine *e, const char *id);
must_check int exec_save(struct exec *x);
void exec_forget_start(struct exec *x); /* the runtime has ended: what was there for it goes */
void exec_free(struct exec *x);		/* unlinks; removes its record */

#endif
