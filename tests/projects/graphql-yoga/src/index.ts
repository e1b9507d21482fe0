import { createSchema, createYoga } from 'graphql-yoga';

const yoga = createYoga<{ USER: string }>({
    schema: createSchema({
        typeDefs: /* GraphQL */ `
            type Query { hello(name: String!): String!  numbers: [Int!]! }
            type Mutation { add(a: Int!, b: Int!): Int! }
        `,
        resolvers: {
            Query: { hello: (_: unknown, { name }: { name: string }) => `Hello, ${name}!`, numbers: async () => [1, 2, 3] },
            Mutation: { add: (_: unknown, { a, b }: { a: number; b: number }) => a + b },
        },
    }),
    graphqlEndpoint: '/graphql',
    landingPage: false,
});

export default { fetch: yoga.fetch };
