//! Inside the walls: building the last of them, and becoming the agent.

use std::{
    fs::{self, File},
    io::{self, Write},
    net::{Ipv4Addr, TcpListener},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::{net::UnixStream, process::CommandExt},
    },
    process::Command,
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{
    descriptors::{Heed, Others, heed_termination, keep_streams_only},
    files,
    order::{Greeting, Order, Refusal, receive, send},
    system_calls,
};

/// How many files a process may have open: what Node and compilers need, not what the host may have.
const OPEN_FILES: u64 = 65_536;

/// Takes an order from the socket that is standard input, and becomes the agent. Returns only what went wrong.
pub(super) fn enter() -> io::Error {
    match prepare() {
        Ok((mut command, told)) => {
            let error = command.exec();
            refuse(&told, &format!("start {:?}", command.get_program()), &error)
        }
        Err(error) => error,
    }
}

fn prepare() -> io::Result<(Command, UnixStream)> {
    let socket = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let socket = UnixStream::from(socket);
    let gone = || io::Error::other("the host program is gone");
    let (order, streams) = receive::<Order>(&socket)?.ok_or_else(gone)?;
    let mut streams = streams.into_iter();
    let mut next = || streams.next().ok_or_else(|| io::Error::other("the agent's streams did not arrive"));
    let own = [next()?, next()?, next()?];
    for entrance in streams {
        File::from(entrance).write_all(b"0")?;
    }
    let (tell, told) = UnixStream::pair()?;
    let listeners = order.ports.iter().map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)));
    let listeners: Vec<TcpListener> = listeners.collect::<io::Result<_>>()?;
    let landlock = files::interface()?;
    let descriptors: Vec<BorrowedFd<'_>> =
        [told.as_fd()].into_iter().chain(listeners.iter().map(AsFd::as_fd)).collect();
    send(&socket, &Greeting { landlock: landlock.version }, &descriptors)?;
    drop((socket, told, listeners));
    // From here on the host hears of it if something goes wrong.
    match build(&order, &own, landlock) {
        Ok(command) => Ok((command, tell)),
        Err((doing, error)) => Err(refuse(&tell, doing, &error)),
    }
}

/// Everything that makes this process the agent but for the last step.
fn build(
    order: &Order,
    [stdin, stdout, stderr]: &[OwnedFd; 3],
    landlock: files::Interface,
) -> Result<Command, (&'static str, io::Error)> {
    let single = fs::read_dir("/proc/self/task").map(Iterator::count);
    if single.map_err(|error| ("count the threads of the shim", error))? != 1 {
        let error = io::Error::other("a thread was started before `main_if_shim` was called");
        return Err(("have a shim with a single thread", error));
    }
    limit(Resource::Nofile, OPEN_FILES).map_err(|error| ("limit open files", error))?;
    limit(Resource::Nproc, order.processes).map_err(|error| ("limit processes", error))?;
    limit(Resource::Core, 0).map_err(|error| ("limit core dumps", error))?;
    heed_termination(Heed::Yes).map_err(|error| ("heed signals again", error))?;
    let in_place = rustix::stdio::dup2_stdin(stdin)
        .and_then(|()| rustix::stdio::dup2_stdout(stdout))
        .and_then(|()| rustix::stdio::dup2_stderr(stderr));
    in_place.map_err(|errno| ("put the agent's streams in place", errno.into()))?;
    keep_streams_only(Others::CloseOnExec).map_err(|error| ("close descriptors", error))?;
    std::env::set_current_dir(&order.folder).map_err(|error| ("enter the work tree", error))?;
    files::restrict(landlock, &order.writable).map_err(|error| ("enforce Landlock", error))?;
    system_calls::filter().map_err(|error| ("filter system calls", error))?;
    let mut command = Command::new(&order.program);
    command.args(&order.arguments).env_clear().envs(order.env.iter().map(|(name, value)| (name, value)));
    Ok(command)
}

/// Lowers a limit; one that is lower already stays.
fn limit(resource: Resource, most: u64) -> io::Result<()> {
    let now = getrlimit(resource);
    let most = now.maximum.map_or(most, |maximum| maximum.min(most));
    Ok(setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?)
}

fn refuse(tell: &UnixStream, doing: &str, error: &io::Error) -> io::Error {
    let refusal = Refusal { doing: doing.to_owned(), errno: error.raw_os_error() };
    let refusal = match refusal.errno {
        Some(_) => refusal,
        None => Refusal { doing: format!("{doing}: {error}"), ..refusal },
    };
    // A host that is gone needs not be told.
    let _unheard = send(tell, &refusal, &[]);
    io::Error::other(format!("{doing}: {error}"))
}
