//! Who is let in, and to which tools.

use std::{
    collections::HashMap,
    fmt, io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware,
    response::Response,
    routing::any,
};
use striatum_core::id::Fence;
use tokio::{
    net::TcpListener,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use crate::{
    Boundary, Refusal, Serving,
    agents::{
        Endpoint, OpenSession, Pull, Workbench,
        pull::{Puller, Pulling, SESSIONS},
        session::Live,
    },
    authority::{Authority, Bearer, ClaimScope, Denied, NoEntropy, Scope, TokenId},
    boundary,
    toolbox::{self, Server, Toolbox},
};

/// Where the tools are, below the address of the listener.
pub(super) const PATH: &str = "/mcp";

/// The agents' listener, and the sessions that are open. Cloning gives another handle on the same; with the last one it ends.
#[derive(Clone)]
pub struct Agents {
    shared: Arc<Shared>,
    _serving: Option<Arc<Serving>>,
}

/// How the agents' listener behaves.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AgentsOptions {
    /// Which requests are looked at. The address that [`Agents::listen`] binds is added to its hosts.
    pub boundary: Boundary,
    /// Where [`Agents::listen`] listens. Port 0 lets the system choose.
    pub bind: SocketAddr,
    /// How many MCP sessions the token of a grant may have open at a time. One more ends that which was used longest ago.
    pub room: usize,
    /// Lets agents pull; without it a claim token opens nothing.
    pub pull: Option<Pull>,
}

impl Default for AgentsOptions {
    /// A free port of the loopback interface, sixteen MCP sessions to a token.
    fn default() -> Self {
        Self { boundary: Boundary::default(), bind: (Ipv4Addr::LOCALHOST, 0).into(), room: 16, pull: None }
    }
}

/// What the router and every open session know.
pub(super) struct Shared {
    authority: Arc<Authority>,
    url: String,
    options: AgentsOptions,
    seats: Mutex<HashMap<TokenId, Arc<Seat>>>,
    pulling: Option<Arc<Pulling>>,
}

/// A token with the MCP server that serves it alone, so that no MCP session of one agent can be reached by another.
enum Seat {
    Grant { live: Arc<Live>, server: Server<Live> },
    Claim { puller: Arc<Puller>, server: Server<Puller> },
}

impl Agents {
    /// Listens, and serves until the last handle is dropped.
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub async fn listen(authority: Arc<Authority>, mut options: AgentsOptions) -> io::Result<Self> {
        let listener = TcpListener::bind(options.bind).await?;
        let address = listener.local_addr()?;
        options.boundary.hosts.push(match address.ip() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        });
        let agents = Self::mounted(authority, &format!("http://{address}"), options);
        let serving = agents.serve(listener)?;
        Ok(Self { _serving: Some(Arc::new(serving)), ..agents })
    }

    /// Serves the same sessions at one more place: on a listener within the walls of a sandbox, say, that cannot reach the first.
    /// Call it within a tokio runtime.
    ///
    /// # Errors
    /// If the listener does not say where it listens.
    pub fn serve(&self, listener: TcpListener) -> io::Result<Serving> {
        Serving::start(listener, self.router())
    }

    /// For whoever serves the [`router`](Self::router) by himself. `address` is where agents reach it, as `http://host:port`, with the
    /// path below which it is mounted. Call it within a tokio runtime.
    pub fn mounted(authority: Arc<Authority>, address: &str, options: AgentsOptions) -> Self {
        let url = format!("{}{PATH}", address.trim_end_matches('/'));
        let pulling = options.pull.clone().map(Pulling::start);
        Self::of(Arc::new(Shared { authority, url, options, seats: Mutex::default(), pulling }))
    }

    pub(super) fn of(shared: Arc<Shared>) -> Self {
        Self { shared, _serving: None }
    }

    /// The routes, to mount. They are to be on no port on which operators are served.
    pub fn router(&self) -> Router {
        let boundary = self.shared.options.boundary.clone();
        Router::new()
            .route(PATH, any(serve))
            .with_state(self.shared.clone())
            .layer(middleware::from_fn_with_state(boundary, boundary::enforce))
    }

    /// Where agents find their tools.
    pub fn url(&self) -> &str {
        &self.shared.url
    }

    /// Opens the tools of a grant, for as long as the answer lives and at most for `valid_for`. Call it within a tokio runtime.
    ///
    /// # Errors
    /// [`NoEntropy`].
    pub fn open(
        &self,
        fence: Fence,
        bench: Arc<dyn Workbench>,
        valid_for: Duration,
    ) -> Result<OpenSession, NoEntropy> {
        let Shared { authority, url, .. } = &*self.shared;
        let issued = authority.issue(Scope::Session(fence.clone()), valid_for)?;
        let over = CancellationToken::new();
        let deadline = Instant::now() + valid_for;
        let live = Arc::new(Live::new(fence, issued.id, bench, deadline, over));
        let server = self.shared.server(&live, live.over(), self.shared.options.room);
        self.shared.seats().insert(issued.id, Arc::new(Seat::Grant { live: live.clone(), server }));
        let expiring = live.clone();
        tokio::spawn(async move { expiring.expire().await });
        let endpoint = Endpoint { url: url.clone(), bearer: issued.secret };
        Ok(OpenSession::new(live, endpoint, Arc::downgrade(&self.shared)))
    }
}

impl fmt::Debug for Agents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agents").field("url", &self.shared.url).finish_non_exhaustive()
    }
}

async fn serve(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let seat = match shared.admit(request.headers()) {
        Ok(seat) => seat,
        Err(denied) => {
            let status = match denied {
                Denied::OutOfScope => StatusCode::FORBIDDEN,
                _ => StatusCode::UNAUTHORIZED,
            };
            return boundary::respond(status, &Refusal::from(denied));
        }
    };
    match &*seat {
        Seat::Grant { live, server } => answer(server, live.over(), request).await,
        Seat::Claim { puller, server } => answer(server, puller.over(), request).await,
    }
}

/// The answer of a server, unless its token is over before.
async fn answer<T: Toolbox>(server: &Server<T>, over: &CancellationToken, request: Request) -> Response {
    tokio::select! {
        biased;
        response = server.handle(request) => response.map(Body::new),
        () = over.cancelled() => {
            boundary::respond(StatusCode::UNAUTHORIZED, &Refusal::from(Denied::Revoked))
        }
    }
}

impl Shared {
    /// Whose token this is.
    fn admit(self: &Arc<Self>, headers: &HeaderMap) -> Result<Arc<Seat>, Denied> {
        let bearer = self.authority.check(bearer(headers)?)?;
        match &bearer.scope {
            Scope::Session(_) => {
                let seat = self.seats().get(&bearer.id).cloned().ok_or(Denied::Revoked)?;
                let is_open = matches!(&*seat, Seat::Grant { live, .. } if live.is_open());
                if is_open { Ok(seat) } else { Err(Denied::Revoked) }
            }
            Scope::Claim(scope) => {
                let pulling = self.pulling.as_ref().ok_or(Denied::OutOfScope)?;
                Ok(self.seat(pulling, scope, &bearer))
            }
            Scope::Operator(_) => Err(Denied::OutOfScope),
        }
    }

    /// The place of a claim token, which it has from its first use to its end.
    fn seat(self: &Arc<Self>, pulling: &Arc<Pulling>, scope: &ClaimScope, bearer: &Bearer) -> Arc<Seat> {
        let mut seats = self.seats();
        if let Some(seat) = seats.get(&bearer.id) {
            return seat.clone();
        }
        let weak = Arc::downgrade(self);
        let puller = Puller::new(bearer.clone(), scope.clone(), pulling.clone(), weak.clone());
        let (over, token) = (puller.over().clone(), bearer.id);
        let remaining = self.authority.remaining(bearer).unwrap_or_default();
        tokio::spawn(async move {
            sleep(remaining).await;
            over.cancel();
            if let Some(shared) = weak.upgrade() {
                shared.forget(&token);
            }
        });
        // Many agents may share the token, each with an MCP session.
        let server = self.server(&puller, puller.over(), self.options.room.max(SESSIONS));
        let seat = Arc::new(Seat::Claim { puller, server });
        seats.insert(bearer.id, seat.clone());
        seat
    }

    fn server<T: Toolbox>(&self, toolbox: &Arc<T>, over: &CancellationToken, room: usize) -> Server<T> {
        toolbox::server(toolbox, over, self.options.boundary.max_body_bytes, room)
    }

    pub(super) fn authority(&self) -> &Authority {
        &self.authority
    }

    pub(super) fn forget(&self, token: &TokenId) {
        self.seats().remove(token);
    }

    fn seats(&self) -> MutexGuard<'_, HashMap<TokenId, Arc<Seat>>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The token that a request shows.
fn bearer(headers: &HeaderMap) -> Result<&str, Denied> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().ok_or(Denied::Missing)?;
    let (scheme, token) =
        value.to_str().ok().and_then(|value| value.split_once(' ')).ok_or(Denied::Invalid)?;
    if values.next().is_none() && scheme.eq_ignore_ascii_case("bearer") {
        Ok(token.trim())
    } else {
        Err(Denied::Invalid)
    }
}
